#include "proxy/client/overview_text.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "proxy/client/table.h"
#include "proxy/observe/escape.h"
#include "proxy/relay/session_log.h"
#include "reactor/clock.h"

namespace weir {
namespace {

using Align = Table::Align;

constexpr size_t kBar = 10;  // characters

// Times of a remote's choice: what Duration cannot hold is cut.
Duration ToDuration(double seconds) {
  const double most = 3e9;  // about a century
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(
      std::clamp(std::isnan(seconds) ? 0 : seconds, 0.0, most)));
}

std::string Count(double value) { return absl::StrFormat("%.0f", value); }

// A rate: whole above 10, with a digit below.
std::string Rate(double value) {
  return value > 0 && value < 9.95 ? absl::StrFormat("%.1f", value)
                                   : Count(value);
}

std::string Bar(double share) {
  const auto full = static_cast<size_t>(
      std::lround(std::clamp(share, 0.0, 1.0) * static_cast<double>(kBar)));
  return absl::StrCat("[", std::string(full, '#'),
                      std::string(kBar - full, '.'), "]");
}

// A stall that lasts goes before those that are over.
std::string StallCell(const LoopRow& loop) {
  if (loop.now.has_value()) {
    return absl::StrCat("NOW ", StallText(*loop.now));
  }
  if (!loop.last.has_value()) return "-";
  return absl::StrCat(StallText(*loop.last), ", ", TimeText(loop.last->ago),
                      " ago");
}

std::string UpText(const std::optional<bool>& up) {
  if (!up.has_value()) return "-";
  return *up ? "up" : "DOWN";
}

// "access log a.log  writing  17 lines, 0 dropped"
std::string AccessLogText(const StatusReading::AccessLog& log) {
  std::string escaped;
  AppendEscaped(absl::StrCat("access log ", log.file, "  ", log.state, "  ",
                             log.lines, log.lines == 1 ? " line, " : " lines, ",
                             log.dropped, " dropped"),
                &escaped);
  return escaped;
}

void Append(const std::vector<std::string>& lines, std::string* text) {
  for (const std::string& line : lines) absl::StrAppend(text, line, "\n");
}

}  // namespace

std::string LagText(const std::optional<double>& seconds) {
  if (!seconds.has_value()) return "-";
  return std::isinf(*seconds) ? ">10s" : TimeText(*seconds);
}

std::string TimeText(double seconds) {
  return ShortDuration(ToDuration(seconds));
}

std::string BytesText(double bytes) {
  return ShortSize(static_cast<uint64_t>(std::clamp(bytes, 0.0, 1e18)));
}

std::string StallText(const StallReading& stall) {
  std::string text = TimeText(stall.seconds);
  if (!stall.cause.empty()) absl::StrAppend(&text, " ", stall.cause);
  absl::StrAppend(&text, " ", stall.kind);
  if (!stall.forward.empty()) absl::StrAppend(&text, " ", stall.forward);
  if (stall.connection != 0) {
    absl::StrAppend(&text, stall.forward.empty() ? " #" : "#",
                    stall.connection);
  }
  // What of weir it was, not the library that this called.
  const auto ours = std::find_if(
      stall.stack.begin(), stall.stack.end(),
      [](const std::string& name) { return name.starts_with("weir::"); });
  if (ours != stall.stack.end()) absl::StrAppend(&text, " in ", *ours);
  return text;
}

std::string HeaderText(const Overview& overview, const std::string& address) {
  std::string escaped;
  AppendEscaped(
      absl::StrCat("weir ", overview.version, "  pid ", overview.pid, "  up ",
                   TimeText(overview.uptime), "  ", overview.phase, "  ",
                   Count(overview.active),
                   overview.active == 1 ? " connection  " : " connections  ",
                   address),
      &escaped);
  return escaped;
}

std::vector<std::string> LoopLines(const Overview& overview, bool bars) {
  if (overview.loops.empty()) {
    return {"loops are not measured (--noloop_metrics)"};
  }
  std::vector<Table::Column> columns = {{"loop", Align::kLeft},
                                        {"busy"},
                                        {"lag p50"},
                                        {"p99"},
                                        {"worst"},
                                        {"turns/s"},
                                        {"connections"},
                                        {"stalls"},
                                        {"last stall", Align::kLeft, 100}};
  if (bars) columns.insert(columns.begin() + 2, {"", Align::kLeft});
  Table table(columns);
  for (const LoopRow& loop : overview.loops) {
    std::vector<std::string> cells = {
        loop.name,
        absl::StrFormat("%.0f%%", loop.busy * 100),
        LagText(loop.lag_p50),
        LagText(loop.lag_p99),
        LagText(loop.lag_worst),
        Count(loop.iterations),
        Count(loop.connections),
        Count(loop.stalls),
        StallCell(loop)};
    if (bars) cells.insert(cells.begin() + 2, Bar(loop.busy));
    table.Add(cells);
  }
  return table.Lines();
}

std::vector<std::string> ForwardLines(const Overview& overview) {
  Table table({{"forward", Align::kLeft},
               {"listen", Align::kLeft, 44},
               {"target", Align::kLeft, 44},
               {"upstream", Align::kLeft},
               {"active"},
               {"accepted"},
               {"failed"},
               {"bytes up"},
               {"bytes down"}});
  for (const ForwardRow& forward : overview.forwards) {
    table.Add({forward.name, forward.listen, forward.target, UpText(forward.up),
               Count(forward.active), Count(forward.accepted),
               Count(forward.failed), BytesText(forward.bytes_up),
               BytesText(forward.bytes_down)});
  }
  return table.Lines();
}

std::vector<std::string> ForwardRateLines(const Overview& overview) {
  Table table({{"forward", Align::kLeft},
               {"target", Align::kLeft, 44},
               {"upstream", Align::kLeft},
               {"active"},
               {"conn/s"},
               {"up/s"},
               {"down/s"},
               {"errors/s"},
               {"errors"}});
  for (const ForwardRow& forward : overview.forwards) {
    table.Add({forward.name, forward.target, UpText(forward.up),
               Count(forward.active), Rate(forward.accept_rate),
               BytesText(forward.up_rate), BytesText(forward.down_rate),
               Rate(forward.fail_rate), Count(forward.failed)});
  }
  return table.Lines();
}

std::string StatusText(const Overview& overview, const std::string& address) {
  std::string text = HeaderText(overview, address) + "\n\n";
  Append(LoopLines(overview, false), &text);
  text += "\n";
  Append(ForwardLines(overview), &text);
  if (overview.access_log.has_value()) {
    absl::StrAppend(&text, "\n", AccessLogText(*overview.access_log), "\n");
  }
  return text;
}

}  // namespace weir
