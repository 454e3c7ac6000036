// Callbacks, stalls and their causes, in simulated time.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "metrics/registry.h"
#include "reactor/callback_kind.h"
#include "reactor/clock.h"
#include "reactor/loop_monitor.h"
#include "reactor/pause_log.h"
#include "reactor/stall.h"
#include "reactor/thread_usage.h"
#include "tests/support/manual_clock.h"

namespace weir {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""us;
using testing::HasSubstr;

constexpr Subject kSeventeen = {.forward = 2, .connection = 17};

// What a thread used, as the test says. Counts how often it is asked.
class FakeUsage final : public ThreadUsage {
 public:
  Usage Read() override {
    ++reads;
    return usage;
  }
  Usage usage;
  int reads = 0;
};

class LoopStalls : public testing::Test {
 protected:
  LoopStalls() {
    auto usage = std::make_unique<FakeUsage>();
    usage_ = usage.get();
    monitor_.Started(std::move(usage));
  }
  ~LoopStalls() override { monitor_.Finished(clock_); }

  void Wake() {
    monitor_.BeforeWait(clock_);
    monitor_.AfterWait(clock_, kForever, 1, false);
  }
  void Callback(CallbackKind kind, Duration time, Subject subject = {}) {
    monitor_.Enter(clock_, kind, subject);
    clock_.Advance(time);
  }
  // Time passes, of which so much on a processor and waiting for one.
  void Pass(Duration time, Duration cpu, Duration run_delay = {}) {
    clock_.Advance(time);
    usage_->usage.cpu += cpu;
    usage_->usage.run_delay += run_delay;
  }
  // A callback of 300 ms with that cause.
  StallCause CauseOf(Duration cpu, Duration run_delay) {
    Wake();
    monitor_.Enter(clock_, CallbackKind::kRelay, kSeventeen);
    Pass(300ms, cpu, run_delay);
    monitor_.BeforeWait(clock_);
    return monitor_.Stalls().front().cause;
  }
  std::string Scrape() {
    Registry registry;
    monitor_.Register("", "0", &clock_, &registry);
    return registry.Serialize();
  }

  ManualClock clock_;
  PauseLog pauses_;
  LoopMonitor monitor_{{.stall_threshold = 10ms, .pauses = &pauses_}};
  FakeUsage* usage_;
};

TEST_F(LoopStalls, ACallbackLastsUntilTheNextOneOrThePoll) {
  Wake();
  Callback(CallbackKind::kAccept, 1ms);
  Callback(CallbackKind::kRelay, 2ms);
  Callback(CallbackKind::kRelay, 4ms);
  monitor_.BeforeWait(clock_);
  clock_.Advance(100ms);  // belongs to nobody
  const std::string text = Scrape();
  EXPECT_THAT(text,
              HasSubstr("callbacks_total{reactor=\"0\",kind=\"accept\"} 1\n"));
  EXPECT_THAT(text,
              HasSubstr("callbacks_total{reactor=\"0\",kind=\"relay\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("callbacks_total{reactor=\"0\",kind=\"dns\"} 0"));
  EXPECT_THAT(
      text,
      HasSubstr("callback_seconds_total{reactor=\"0\",kind=\"accept\"} 0.001"));
  EXPECT_THAT(
      text,
      HasSubstr("callback_seconds_total{reactor=\"0\",kind=\"relay\"} 0.006"));
}

TEST_F(LoopStalls, WhatIsDescribedLaterCounts) {
  Wake();
  Callback(CallbackKind::kTask, 1ms);
  monitor_.Describe(CallbackKind::kConnect, kSeventeen);
  monitor_.BeforeWait(clock_);
  const std::string text = Scrape();
  EXPECT_THAT(text,
              HasSubstr("callbacks_total{reactor=\"0\",kind=\"task\"} 0\n"));
  EXPECT_THAT(text,
              HasSubstr("callbacks_total{reactor=\"0\",kind=\"connect\"} 1\n"));
}

TEST_F(LoopStalls, ALongCallbackIsAStallWithItsCulprit) {
  Wake();
  Callback(CallbackKind::kAccept, 1ms);
  const MonoTime begin = clock_.Now();
  monitor_.Enter(clock_, CallbackKind::kRelay, kSeventeen);
  Pass(10ms, 9ms);
  monitor_.BeforeWait(clock_);
  const std::vector<Stall> stalls = monitor_.Stalls();
  ASSERT_EQ(stalls.size(), 1u);
  EXPECT_EQ(stalls[0].number, 1u);
  EXPECT_EQ(stalls[0].begin, begin);
  EXPECT_EQ(stalls[0].duration, 10ms);
  EXPECT_EQ(stalls[0].kind, CallbackKind::kRelay);
  EXPECT_EQ(stalls[0].subject.forward, 2u);
  EXPECT_EQ(stalls[0].subject.connection, 17u);
  EXPECT_EQ(stalls[0].cause, StallCause::kCpu);
  EXPECT_EQ(stalls[0].cpu, 9ms);
  EXPECT_TRUE(stalls[0].stack.empty());
  const std::string text = Scrape();
  EXPECT_THAT(text, HasSubstr("stalls_total{reactor=\"0\",kind=\"relay\"} 1"));
  EXPECT_THAT(text,
              HasSubstr("stalls_total{reactor=\"0\",kind=\"iteration\"} 0"));
  EXPECT_THAT(
      text, HasSubstr("stall_seconds_total{reactor=\"0\",cause=\"cpu\"} 0.01"));
}

TEST_F(LoopStalls, WhatIsShorterThanTheThresholdIsNone) {
  Wake();
  Callback(CallbackKind::kRelay, 10ms - 1us);
  monitor_.BeforeWait(clock_);
  EXPECT_TRUE(monitor_.Stalls().empty());
}

TEST_F(LoopStalls, ManyShortCallbacksAreAStallOfTheIteration) {
  Wake();
  for (int i = 0; i < 3; ++i) Callback(CallbackKind::kRelay, 4ms, kSeventeen);
  monitor_.BeforeWait(clock_);
  const std::vector<Stall> stalls = monitor_.Stalls();
  ASSERT_EQ(stalls.size(), 1u);
  EXPECT_EQ(stalls[0].kind, std::nullopt);
  EXPECT_EQ(stalls[0].duration, 12ms);
  EXPECT_EQ(stalls[0].subject.connection, 0u);
  EXPECT_THAT(Scrape(),
              HasSubstr("stalls_total{reactor=\"0\",kind=\"iteration\"} 1"));
}

TEST_F(LoopStalls, AnIterationWithALongCallbackIsNotCountedTwice) {
  Wake();
  Callback(CallbackKind::kRelay, 20ms);
  Callback(CallbackKind::kTimer, 30ms);
  monitor_.BeforeWait(clock_);
  EXPECT_EQ(monitor_.Stalls().size(), 2u);
}

TEST_F(LoopStalls, TheCauseIsWhatTheTimeWasSpentOn) {
  EXPECT_EQ(CauseOf(240ms, 60ms), StallCause::kCpu);
  EXPECT_EQ(CauseOf(239ms, 31ms), StallCause::kPreempted);
  EXPECT_EQ(CauseOf(100ms, 100ms), StallCause::kPreempted);
  EXPECT_EQ(CauseOf(100ms, 99ms), StallCause::kBlocked);
  EXPECT_EQ(CauseOf(0ms, 0ms), StallCause::kBlocked);
}

TEST_F(LoopStalls, AStallDuringAPauseIsPaused) {
  pauses_.Sleep(clock_.Now() + 400ms);
  EXPECT_EQ(CauseOf(300ms, 0ms), StallCause::kCpu);
  // The watchdog's sleep should have ended 200 ms ago, and it still sleeps.
  EXPECT_EQ(CauseOf(300ms, 0ms), StallCause::kPaused);
  ASSERT_TRUE(pauses_.Wake(clock_.Now()));
  pauses_.Sleep(clock_.Now() + 1000ms);
  EXPECT_EQ(CauseOf(300ms, 0ms), StallCause::kCpu);  // all of it afterwards
  EXPECT_EQ(pauses_.pauses(), 1u);
  EXPECT_EQ(pauses_.total(), 200ms);
}

TEST_F(LoopStalls, TheKernelIsAskedAtMostEvery5MsOfBusyTime) {
  Wake();
  monitor_.BeforeWait(clock_);  // the first look at the clock
  const int before = usage_->reads;
  for (int i = 0; i < 100; ++i) {  // 100 ms busy in 200 ms
    monitor_.AfterWait(clock_, kForever, 1, false);
    Callback(CallbackKind::kRelay, 1ms);
    monitor_.BeforeWait(clock_);
    clock_.Advance(1ms);
  }
  EXPECT_EQ(usage_->reads - before, 20);
}

// Else a stall after hours of short work would be blamed on their delays.
TEST_F(LoopStalls, AnOldSampleDoesNotCloudACause) {
  for (int i = 0; i < 45; ++i) {
    Wake();
    Callback(CallbackKind::kTimer, 10us);
    monitor_.BeforeWait(clock_);
    Pass(20ms, 0ms, 10ms);
  }
  EXPECT_EQ(CauseOf(0ms, 0ms), StallCause::kBlocked);
}

TEST_F(LoopStalls, KeepsTheLast32) {
  for (int i = 1; i <= 40; ++i) {
    Wake();
    Callback(CallbackKind::kRelay, std::chrono::milliseconds(100 + i));
  }
  monitor_.BeforeWait(clock_);
  const std::vector<Stall> stalls = monitor_.Stalls();
  ASSERT_EQ(stalls.size(), 32u);
  EXPECT_EQ(stalls.front().number, 40u);
  EXPECT_EQ(stalls.front().duration, 140ms);
  EXPECT_EQ(stalls.back().number, 9u);
}

TEST_F(LoopStalls, ActivityTellsWhatRuns) {
  EXPECT_EQ(monitor_.Activity(clock_).phase, LoopActivity::Phase::kStopped);
  monitor_.BeforeWait(clock_);
  EXPECT_EQ(monitor_.Activity(clock_).phase, LoopActivity::Phase::kPolling);
  monitor_.AfterWait(clock_, kForever, 1, false);
  const MonoTime since = clock_.Now();
  Callback(CallbackKind::kAccept, 2ms);
  Callback(CallbackKind::kRelay, 3ms, kSeventeen);
  LoopActivity activity = monitor_.Activity(clock_);
  EXPECT_EQ(activity.phase, LoopActivity::Phase::kBusy);
  EXPECT_EQ(activity.since, since);
  EXPECT_EQ(activity.age, 5ms);
  EXPECT_EQ(activity.running, 3ms);
  EXPECT_EQ(activity.kind, CallbackKind::kRelay);
  EXPECT_EQ(activity.subject.connection, 17u);
  EXPECT_EQ(activity.cause, std::nullopt);
  Pass(50ms, 1ms, 45ms);
  activity = monitor_.Activity(clock_);
  EXPECT_EQ(activity.running, 53ms);
  EXPECT_EQ(activity.cause, StallCause::kPreempted);
}

// What ran in the iteration before is not what runs now.
TEST_F(LoopStalls, ActivityForgetsTheLastIteration) {
  Wake();
  Callback(CallbackKind::kRelay, 1ms, kSeventeen);
  Wake();
  const LoopActivity activity = monitor_.Activity(clock_);
  EXPECT_EQ(activity.phase, LoopActivity::Phase::kBusy);
  EXPECT_EQ(activity.subject.connection, 0u);
}

TEST_F(LoopStalls, AWakeDelayIsWhatATimeoutOvershoots) {
  const auto poll = [this](Duration timeout, Duration took, size_t events) {
    monitor_.BeforeWait(clock_);
    clock_.Advance(took);
    monitor_.AfterWait(clock_, timeout, events, false);
  };
  poll(10ms, 13ms, 0);
  poll(10ms, 13ms, 1);      // an event came
  poll(10ms, 5ms, 0);       // woken
  poll(0ms, 1ms, 0);        // only looked
  poll(kForever, 90ms, 0);  // woken
  const std::string text = Scrape();
  EXPECT_THAT(text, HasSubstr("wake_delay_seconds_count{reactor=\"0\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("wake_delay_seconds_sum{reactor=\"0\"} 0.003\n"));
}

TEST_F(LoopStalls, CountsPollsThatReturnedAsManyEventsAsTheyMay) {
  monitor_.BeforeWait(clock_);
  monitor_.AfterWait(clock_, kForever, 256, true);
  monitor_.BeforeWait(clock_);
  monitor_.AfterWait(clock_, kForever, 255, false);
  const std::string text = Scrape();
  EXPECT_THAT(text, HasSubstr("events_total{reactor=\"0\"} 511\n"));
  EXPECT_THAT(text, HasSubstr("events_full_total{reactor=\"0\"} 1\n"));
}

}  // namespace
}  // namespace weir
