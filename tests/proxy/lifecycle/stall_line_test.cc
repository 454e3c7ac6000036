#include "proxy/lifecycle/stall_line.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proxy/config/forward_spec.h"
#include "reactor/callback_kind.h"
#include "reactor/stall.h"
#include "reactor/watchdog.h"

namespace weir {
namespace {

using std::chrono_literals::operator""ms;

Watchdog::Report Slow(CallbackKind kind, Subject subject) {
  Watchdog::Report report;
  report.loop = "0";
  report.activity.age = 62ms;
  report.activity.kind = kind;
  report.activity.subject = subject;
  return report;
}

std::vector<ForwardSpec> Forwards() {
  std::vector<ForwardSpec> forwards(2);
  forwards[1].name = "pg";
  return forwards;
}

TEST(StallLine, NamesLoopTimeWorkConnectionAndCause) {
  Watchdog::Report report = Slow(CallbackKind::kRelay, {1, 17});
  report.activity.cause = StallCause::kBlocked;
  EXPECT_EQ(StallLine(report, Forwards()),
            "reactor 0 has not looked for 62.0ms: relay pg#17 (blocked)");
}

TEST(StallLine, LeavesOutWhatIsNotKnown) {
  EXPECT_EQ(StallLine(Slow(CallbackKind::kTask, {}), Forwards()),
            "reactor 0 has not looked for 62.0ms: task");
  EXPECT_EQ(StallLine(Slow(CallbackKind::kAccept, {1, 0}), Forwards()),
            "reactor 0 has not looked for 62.0ms: accept pg");
}

TEST(StallLine, SaysHowManyWereNotTold) {
  Watchdog::Report report = Slow(CallbackKind::kTimer, {});
  report.unreported = 3;
  EXPECT_EQ(StallLine(report, Forwards()),
            "reactor 0 has not looked for 62.0ms: timer, 3 more were not told");
}

TEST(StallLine, EndsWithTheStackInnermostFirst) {
  Watchdog::Report report = Slow(CallbackKind::kTask, {});
  report.activity.stack.frames = {1, 2};
  report.activity.stack.size = 2;
  EXPECT_EQ(StallLine(report, Forwards()),
            "reactor 0 has not looked for 62.0ms: task in 0x1 < 0x2");
}

}  // namespace
}  // namespace weir
