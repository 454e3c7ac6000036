#include "proxy/client/top_screen.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proxy/client/overview_text.h"
#include "proxy/client/table.h"
#include "proxy/observe/escape.h"
#include "proxy/relay/session_log.h"

namespace weir {
namespace {

using Align = Table::Align;
using Style = ScreenLine::Style;

constexpr char kKeys[] = "q quit  s sort  f filter  up/down select  k kill";

// The headings, then a line a connection.
std::vector<std::string> ConnectionLines(const TopModel& model) {
  Table table({{"connection", Align::kLeft},
               {"loop"},
               {"client", Align::kLeft},
               {"upstream", Align::kLeft},
               {"state", Align::kLeft},
               {"bytes/s"},
               {"up"},
               {"down"},
               {"age"},
               {"idle"}});
  for (const TopRow& row : model.rows()) {
    const ConnectionReading& reading = row.reading;
    table.Add({absl::StrCat(reading.forward, "#", reading.id), reading.reactor,
               reading.client,
               reading.upstream.empty() ? "-" : reading.upstream, reading.state,
               row.rate.has_value() ? BytesText(*row.rate) : "-",
               ShortSize(reading.bytes_up), ShortSize(reading.bytes_down),
               TimeText(reading.age), TimeText(reading.idle)});
  }
  return table.Lines();
}

// "3 of 17 connections, by bytes/s, filter: pg; loop 1 did not answer"
std::string ConnectionsTitle(const TopModel& model) {
  std::string title = absl::StrCat(
      model.rows().size(), " of ", model.total(), " connections, by ",
      std::string(TopModel::kSortNames[static_cast<size_t>(model.sort())]));
  if (!model.filter().empty()) {
    absl::StrAppend(&title, ", filter: ", model.filter());
  }
  if (model.only_first().has_value()) {
    absl::StrAppend(&title, "; only the first ", *model.only_first(), " came");
  }
  if (!model.silent().empty()) {
    absl::StrAppend(&title, "; did not answer in time: loop ",
                    absl::StrJoin(model.silent(), ", "));
  }
  std::string escaped;
  AppendEscaped(title, &escaped);
  return escaped;
}

std::string LastLine(const TopModel& model) {
  switch (model.mode()) {
    case TopModel::Mode::kFilter:
      return absl::StrCat("filter: ", model.filter(),
                          "_  (Enter keeps it, Escape does not)");
    case TopModel::Mode::kAsk:
      return absl::StrCat("kill ", model.asked(),
                          "? y does it, any other key does not");
    case TopModel::Mode::kList:
      break;
  }
  return kKeys;
}

void AddTable(const std::vector<std::string>& lines,
              std::vector<ScreenLine>* screen) {
  for (const std::string& line : lines) {
    screen->push_back(
        {line, &line == &lines.front() ? Style::kHeading : Style::kPlain});
  }
}

// All above the connections.
std::vector<ScreenLine> Head(const Overview& overview,
                             const std::string& address) {
  std::vector<ScreenLine> screen = {
      {HeaderText(overview, address), Style::kHeading}, {}};
  const size_t loops = screen.size() + 1;
  AddTable(LoopLines(overview, true), &screen);
  for (size_t i = 0; i < overview.loops.size(); ++i) {
    const LoopRow& loop = overview.loops[i];
    if (loop.now.has_value() || loop.new_stalls > 0) {
      screen[loops + i].style = Style::kAlarm;
    }
  }
  screen.emplace_back();
  const size_t forwards = screen.size() + 1;
  AddTable(ForwardRateLines(overview), &screen);
  for (size_t i = 0; i < overview.forwards.size(); ++i) {
    const ForwardRow& forward = overview.forwards[i];
    if (forward.up == false || forward.fail_rate > 0) {
      screen[forwards + i].style = Style::kAlarm;
    }
  }
  screen.emplace_back();
  return screen;
}

}  // namespace

std::vector<ScreenLine> TopScreen(const Overview& overview,
                                  const TopModel& model,
                                  const std::string& address,
                                  const std::string& message,
                                  const ScreenSize& size) {
  std::vector<ScreenLine> screen = Head(overview, address);
  const std::vector<std::string> rows = ConnectionLines(model);
  // A low screen shows fewer forwards, never no connection: the title, the
  // headings, one row, the message and the keys.
  const size_t below = 5;
  const size_t most = size.rows > below ? size.rows - below : 0;
  if (screen.size() > most) screen.resize(most);
  screen.push_back({ConnectionsTitle(model), Style::kHeading});
  screen.push_back({rows.front(), Style::kHeading});
  const size_t room =
      size.rows > screen.size() + 2 ? size.rows - screen.size() - 2 : 0;
  const std::optional<size_t> selected = model.selected();
  // The chosen row is among those shown.
  const size_t first =
      selected.has_value() && *selected >= room ? *selected + 1 - room : 0;
  for (size_t i = first; i < std::min(first + room, rows.size() - 1); ++i) {
    screen.push_back(
        {rows[i + 1], selected == i ? Style::kSelected : Style::kPlain});
  }
  screen.resize(size.rows > 2 ? size.rows - 2 : 0);
  screen.push_back({message, Style::kAlarm});
  screen.push_back({LastLine(model), Style::kHeading});
  if (screen.size() > size.rows) screen.resize(size.rows);
  for (ScreenLine& line : screen) {
    line.text = CutToWidth(line.text, size.columns);
  }
  return screen;
}

std::string TopSnapshot(const Overview& overview, const TopModel& model,
                        const std::string& address) {
  std::string text;
  for (const ScreenLine& line : Head(overview, address)) {
    absl::StrAppend(&text, line.text, "\n");
  }
  absl::StrAppend(&text, ConnectionsTitle(model), "\n");
  for (const std::string& line : ConnectionLines(model)) {
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

}  // namespace weir
