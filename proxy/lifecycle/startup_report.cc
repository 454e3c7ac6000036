#include "proxy/lifecycle/startup_report.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proxy/config/units.h"
#include "reactor/clock.h"

namespace weir {
namespace {

constexpr char kAdminName[] = "admin";
constexpr char kProbesName[] = "probes";
// Longer ones stand out of the columns instead of pushing all others right.
constexpr size_t kWidestName = 16;
constexpr size_t kWidestListen = 44;

// How many characters `text` takes on a screen, near enough.
size_t Width(const std::string& text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(),
      [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string Pad(const std::string& text, size_t width) {
  const size_t own = Width(text);
  return text + std::string(width - std::min(own, width), ' ');
}

// The widest of `texts`, as far as the limit goes.
size_t Column(const std::vector<std::string>& texts, size_t limit) {
  size_t column = 0;
  for (const std::string& text : texts) {
    if (Width(text) <= limit) column = std::max(column, Width(text));
  }
  return column;
}

std::string Header(const StartupReport& report) {
  std::string line = absl::StrCat(
      "weir ", report.version, "  pid ", report.pid, "  ", report.reactors,
      report.reactors == 1 ? " reactor (" : " reactors (", report.poller, ")",
      report.splice ? "  splice on" : "  splice off");
  if (report.descriptors > 0) {
    absl::StrAppend(&line, "  fds ", report.descriptors, " (max ",
                    report.max_connections, " connections)");
  }
  return line + "\n";
}

std::string Took(Duration took) {
  const auto ms = std::chrono::round<std::chrono::milliseconds>(took).count();
  return absl::StrCat(std::max<int64_t>(ms, 1), " ms");
}

std::string OneLine(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  return text;
}

}  // namespace

void MergeWildcards(std::vector<std::string>* bound) {
  constexpr char kAll4[] = "0.0.0.0:";
  for (auto ip4 = bound->begin(); ip4 != bound->end(); ++ip4) {
    if (!absl::StartsWith(*ip4, kAll4)) continue;
    const std::string port = ip4->substr(sizeof(kAll4) - 1);
    const auto ip6 = std::find(bound->begin(), bound->end(), "[::]:" + port);
    if (ip6 == bound->end()) continue;
    *ip4 = "*:" + port;
    bound->erase(ip6);
    return;
  }
}

std::string FormatStartupReport(const StartupReport& report) {
  std::vector<std::string> names;
  std::vector<std::string> listens;
  for (const ForwardReport& forward : report.forwards) {
    std::vector<std::string> bound = forward.bound;
    MergeWildcards(&bound);
    names.push_back(OneLine(forward.name));
    listens.push_back(OneLine(absl::StrJoin(bound, " ")));
  }
  std::vector<std::string> in_column = names;
  if (!report.admin.empty()) in_column.emplace_back(kAdminName);
  if (!report.probes.empty()) in_column.emplace_back(kProbesName);
  const size_t name_width = Column(in_column, kWidestName);
  const size_t listen_width = Column(listens, kWidestListen);

  std::string text = Header(report);
  for (size_t i = 0; i < names.size(); ++i) {
    const ForwardReport& forward = report.forwards[i];
    absl::StrAppend(&text, Pad(names[i], name_width), " ",
                    Pad(listens[i], listen_width), "  ->  ",
                    OneLine(forward.target));
    if (!forward.resolved.empty()) {
      absl::StrAppend(&text, " (", OneLine(forward.resolved), ")");
    }
    for (const std::string& skipped : forward.skipped) {
      absl::StrAppend(&text, "  ", OneLine(skipped));
    }
    text += "\n";
  }
  if (!report.admin.empty()) {
    absl::StrAppend(&text, Pad(kAdminName, name_width), " ",
                    OneLine(report.admin), "  /  /metrics  /ready  /live\n");
  }
  if (!report.probes.empty()) {
    absl::StrAppend(&text, Pad(kProbesName, name_width), " ",
                    OneLine(report.probes), "  /metrics  /ready  /live\n");
  }
  if (!report.access_log.empty()) {
    absl::StrAppend(&text, "access log: ", OneLine(report.access_log), "\n");
  }
  absl::StrAppend(&text, "ready in ", Took(report.took),
                  ". Ctrl-C drains up to ",
                  FormatDuration(report.drain_timeout), "; again stops now.\n");
  return text;
}

}  // namespace weir
