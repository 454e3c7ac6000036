#include "proxy/lifecycle/stall_line.h"

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "proxy/relay/session_log.h"
#include "reactor/callback_kind.h"
#include "reactor/stack_trace.h"
#include "reactor/stall.h"

namespace weir {
namespace {

std::string Text(std::string_view text) { return std::string(text); }

}  // namespace

std::string StallLine(const Watchdog::Report& report,
                      const std::vector<ForwardSpec>& forwards) {
  const LoopActivity& activity = report.activity;
  std::string line = absl::StrCat(
      "reactor ", report.loop, " has not looked for ",
      ShortDuration(activity.age), ": ", Text(CallbackKindName(activity.kind)));
  if (activity.subject.forward < forwards.size()) {
    absl::StrAppend(&line, " ", forwards[activity.subject.forward].name);
    if (activity.subject.connection != 0) {
      absl::StrAppend(&line, "#", activity.subject.connection);
    }
  }
  if (activity.cause) {
    absl::StrAppend(&line, " (", Text(StallCauseName(*activity.cause)), ")");
  }
  if (report.unreported > 0) {
    absl::StrAppend(&line, ", ", report.unreported, " more were not told");
  }
  if (!activity.stack.empty()) {
    absl::StrAppend(
        &line, " in ",
        absl::StrJoin(Symbolize(activity.stack), " < ",
                      [](std::string* out, const std::string& name) {
                        absl::StrAppend(out, absl::StripPrefix(name, "weir::"));
                      }));
  }
  return line;
}

}  // namespace weir
