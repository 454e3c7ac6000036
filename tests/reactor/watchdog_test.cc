#include "reactor/watchdog.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "metrics/registry.h"
#include "reactor/clock.h"
#include "reactor/loop_monitor.h"
#include "reactor/pause_log.h"
#include "reactor/stack_trace.h"
#include "reactor/stall.h"
#include "reactor/thread_usage.h"
#include "tests/support/manual_clock.h"

namespace weir {

// Not in the anonymous namespace, so that its name is plain; not inlined.
[[gnu::noinline]] void SpinUntil(const std::atomic<bool>& done) {
  while (!done.load(std::memory_order_relaxed)) {
  }
}

namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using testing::Contains;
using testing::HasSubstr;

// One loop on a thread that is this one, in simulated time. It was never
// Started(), so nobody leaves a stack.
class WatchdogLooks : public testing::Test {
 protected:
  void Work() {
    monitor_.BeforeWait(clock_);
    monitor_.AfterWait(clock_, kForever, 1, false);
    monitor_.Enter(clock_, CallbackKind::kRelay, {1, 17});
  }
  void Rest() { monitor_.BeforeWait(clock_); }
  // Looks when the watchdog wants to, until `time` has passed.
  void Pass(Duration time) {
    const MonoTime end = clock_.Now() + time;
    while (true) {
      const MonoTime next = watchdog_.Look();
      ++looks_;
      if (next > end) break;
      clock_.Advance(next - clock_.Now());
    }
    clock_.Advance(end - clock_.Now());
  }
  std::string Scrape() {
    Registry registry;
    watchdog_.Register("", &registry);
    return registry.Serialize();
  }

  ManualClock clock_;
  PauseLog pauses_;
  LoopMonitor monitor_{{.pauses = &pauses_}};
  std::vector<Watchdog::Report> reports_;
  std::function<void()> on_report_;
  Watchdog watchdog_{{.loops = {{"0", &monitor_}},
                      .pauses = &pauses_,
                      .report =
                          [this](const Watchdog::Report& report) {
                            reports_.push_back(report);
                            if (on_report_) on_report_();
                          },
                      .clock = &clock_}};
  int looks_ = 0;
};

TEST_F(WatchdogLooks, LessThanTenTimesASecondWhileLoopsAreIdle) {
  Rest();
  Pass(10s);
  EXPECT_LT(looks_, 100);
  EXPECT_GT(looks_, 50);
}

TEST_F(WatchdogLooks, SeesASlowIterationWithin110Ms) {
  Rest();
  Pass(1ms);  // the next look is due in 109 ms
  Work();
  Pass(48ms);
  EXPECT_TRUE(reports_.empty());
  Pass(62ms + Watchdog::kStackWait);
  ASSERT_EQ(reports_.size(), 1u);
  EXPECT_EQ(reports_[0].loop, "0");
  EXPECT_EQ(reports_[0].activity.kind, CallbackKind::kRelay);
  EXPECT_EQ(reports_[0].activity.subject.connection, 17u);
  EXPECT_THAT(Scrape(),
              HasSubstr("misses_total{reactor=\"0\",severity=\"slow\"} 1\n"));
}

TEST_F(WatchdogLooks, SaysOnceThatAnIterationIsSlowAndOnceThatItIsStuck) {
  Work();
  Pass(4s);
  EXPECT_EQ(reports_.size(), 1u);
  Pass(60s);
  EXPECT_EQ(reports_.size(), 2u);
  EXPECT_GE(reports_[1].activity.age, 5s);
  const std::string text = Scrape();
  EXPECT_THAT(text, HasSubstr("severity=\"slow\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("severity=\"stuck\"} 1\n"));
}

TEST_F(WatchdogLooks, ReportsAlsoWhatEndedBeforeItsStackCame) {
  Work();
  watchdog_.Look();
  clock_.Advance(50ms);
  watchdog_.Look();
  Rest();
  clock_.Advance(2ms);
  watchdog_.Look();
  ASSERT_EQ(reports_.size(), 1u);
  EXPECT_EQ(reports_[0].activity.running, 50ms);
}

TEST_F(WatchdogLooks, DoesNotBlameTheNextIteration) {
  for (int i = 0; i < 100; ++i) {
    Work();
    Pass(45ms);
    Rest();
  }
  EXPECT_TRUE(reports_.empty());
  EXPECT_THAT(Scrape(), HasSubstr("severity=\"slow\"} 0\n"));
}

TEST_F(WatchdogLooks, ReportsFiveTimesAMinute) {
  for (int i = 0; i < 8; ++i) {
    Work();
    Pass(200ms);
    Rest();
    Pass(1ms);
  }
  EXPECT_EQ(reports_.size(), 5u);
  Pass(60s);
  Work();
  Pass(200ms);
  ASSERT_EQ(reports_.size(), 6u);
  EXPECT_EQ(reports_[5].unreported, 3u);
  EXPECT_THAT(Scrape(), HasSubstr("severity=\"slow\"} 9\n"));
}

TEST_F(WatchdogLooks, ASleepThatOvershootsIsAPause) {
  Rest();
  const MonoTime due = watchdog_.Look();
  clock_.Advance(due - clock_.Now() + 49ms);
  const MonoTime second = watchdog_.Look();
  EXPECT_EQ(pauses_.pauses(), 0u);
  clock_.Advance(second - clock_.Now() + 2s);
  watchdog_.Look();
  const std::string text = Scrape();
  EXPECT_THAT(text, HasSubstr("process_pauses_total 1\n"));
  EXPECT_THAT(text, HasSubstr("process_pause_seconds_total 2\n"));
}

TEST_F(WatchdogLooks, ALongReportIsNoPause) {
  Work();
  watchdog_.Look();
  clock_.Advance(50ms);
  watchdog_.Look();  // asks
  on_report_ = [this] { clock_.Advance(200ms); };
  clock_.Advance(Watchdog::kStackWait);
  const MonoTime due = watchdog_.Look();  // reports
  ASSERT_EQ(reports_.size(), 1u);
  clock_.Advance(due - clock_.Now());
  watchdog_.Look();
  EXPECT_EQ(pauses_.pauses(), 0u);
}

// The one that was asked is blamed, not the one that runs when its stack is
// looked for.
TEST_F(WatchdogLooks, BlamesTheCallbackThatItAsked) {
  Work();
  watchdog_.Look();
  clock_.Advance(50ms);
  watchdog_.Look();
  monitor_.Enter(clock_, CallbackKind::kRelay, {1, 18});
  clock_.Advance(2ms);
  watchdog_.Look();
  ASSERT_EQ(reports_.size(), 1u);
  EXPECT_EQ(reports_[0].activity.subject.connection, 17u);
}

TEST(PauseLog, KnowsNothingOnceNobodyLooks) {
  ManualClock clock;
  PauseLog pauses;
  pauses.Sleep(clock.Now());
  clock.Advance(1s);
  EXPECT_TRUE(pauses.Stood(clock.Now() - 1ms, clock.Now()));
  pauses.Sleep(kNever);
  EXPECT_FALSE(pauses.Stood(clock.Now() - 1ms, clock.Now()));
}

// A real loop thread that spins: seen, and with its stack, while it does.
TEST(Watchdog, TakesTheStackOfALoopThatSpins) {
  Clock& clock = Clock::Real();
  PauseLog pauses;
  LoopMonitor monitor({.pauses = &pauses});
  std::atomic<bool> done{false};
  std::atomic<bool> reported{false};
  std::vector<std::string> stack;
  Watchdog watchdog({.loops = {{"0", &monitor}},
                     .pauses = &pauses,
                     .report = [&](const Watchdog::Report& report) {
                       // Without a processor it cannot leave one: then the
                       // report that it is stuck is another chance.
                       if (reported || report.activity.stack.empty()) return;
                       stack = Symbolize(report.activity.stack);
                       reported = true;
                       done = true;
                     }});
  ASSERT_TRUE(watchdog.Start().ok());
  std::thread loop([&] {
    monitor.Started(ThreadUsage::OfThisThread());
    monitor.BeforeWait(clock);
    monitor.AfterWait(clock, kForever, 1, false);
    monitor.Enter(clock, CallbackKind::kRelay, {1, 17});
    SpinUntil(done);
    monitor.BeforeWait(clock);
    monitor.Finished(clock);
  });
  loop.join();
  watchdog.Stop();
  EXPECT_THAT(stack, Contains(HasSubstr("SpinUntil")));
  // And the record of the stall keeps it.
  const std::vector<Stall> stalls = monitor.Stalls();
  ASSERT_EQ(stalls.size(), 1u);
  EXPECT_GE(stalls[0].duration, 50ms);
  EXPECT_THAT(Symbolize(stalls[0].stack), Contains(HasSubstr("SpinUntil")));
}

TEST(Watchdog, StopsAtOnce) {
  PauseLog pauses;
  Watchdog watchdog({.pauses = &pauses});
  ASSERT_TRUE(watchdog.Start().ok());
  watchdog.Stop();
  watchdog.Stop();
}

}  // namespace
}  // namespace weir
