#include "reactor/timer_wheel.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "reactor/clock.h"
#include "tests/reactor/timer_wheel_test_util.h"

namespace weir {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

class TimerWheelTest : public testing::Test {
 protected:
  // A timer that appends `id` to fired_.
  std::unique_ptr<FakeTimer> Recorder(int id) {
    return std::make_unique<FakeTimer>([this, id] { fired_.push_back(id); });
  }

  TimerWheel wheel_{kStart};
  std::vector<int> fired_;
};

TEST_F(TimerWheelTest, EmptyWheelIsNeverDue) {
  EXPECT_EQ(wheel_.NextDue(), kNever);
  EXPECT_EQ(wheel_.Advance(kStart + hours(24 * 365)), 0u);
  EXPECT_EQ(wheel_.NextDue(), kNever);
  EXPECT_EQ(wheel_.size(), 0u);
}

TEST_F(TimerWheelTest, FiresAtItsDeadlineAndNotBefore) {
  const auto timer = Recorder(1);
  wheel_.Schedule(timer.get(), kStart + milliseconds(10));
  EXPECT_TRUE(timer->scheduled());
  EXPECT_EQ(timer->deadline(), kStart + milliseconds(10));
  EXPECT_EQ(wheel_.NextDue(), kStart + milliseconds(10));
  EXPECT_EQ(wheel_.Advance(kStart + milliseconds(10) - Duration(1)), 0u);
  EXPECT_EQ(wheel_.Advance(kStart + milliseconds(10)), 1u);
  EXPECT_EQ(fired_, std::vector<int>({1}));
  EXPECT_FALSE(timer->scheduled());
  EXPECT_EQ(timer->deadline(), kNever);
  EXPECT_EQ(wheel_.size(), 0u);
  EXPECT_EQ(wheel_.Advance(kStart + hours(1)), 0u);
}

TEST_F(TimerWheelTest, RoundsUpToTheNextTick) {
  const auto timer = Recorder(1);
  wheel_.Schedule(timer.get(), kStart + microseconds(1));
  EXPECT_EQ(wheel_.NextDue(), kStart + milliseconds(1));
  EXPECT_EQ(wheel_.Advance(kStart + microseconds(999)), 0u);
  EXPECT_EQ(wheel_.Advance(kStart + milliseconds(1)), 1u);
}

TEST_F(TimerWheelTest, DeadlineThatHasPassedFiresAtTheNextAdvance) {
  wheel_.Advance(kStart + microseconds(1700));
  const auto now = Recorder(1);
  const auto past = Recorder(2);
  const auto long_past = Recorder(3);
  wheel_.Schedule(now.get(), kStart + microseconds(1700));
  wheel_.Schedule(past.get(), kStart + microseconds(1500));
  wheel_.Schedule(long_past.get(), MonoTime::min());
  EXPECT_LE(wheel_.NextDue(), kStart + microseconds(1700));
  EXPECT_EQ(wheel_.Advance(kStart + microseconds(1700)), 3u);
  EXPECT_EQ(fired_, std::vector<int>({3, 2, 1}));
}

TEST_F(TimerWheelTest, TimeThatGoesBackCountsAsTheLastOne) {
  wheel_.Advance(kStart + seconds(1));
  const auto timer = Recorder(1);
  wheel_.Schedule(timer.get(), kStart + milliseconds(500));
  EXPECT_EQ(wheel_.Advance(kStart), 1u);
}

TEST_F(TimerWheelTest, FiresByDeadlineAndTiesInTheOrderOfSchedule) {
  const auto a = Recorder(1);
  const auto b = Recorder(2);
  const auto c = Recorder(3);
  const auto d = Recorder(4);
  // All in one slot, and d scheduled again: the youngest of the ties.
  wheel_.Schedule(d.get(), kStart + microseconds(200));
  wheel_.Schedule(a.get(), kStart + microseconds(900));
  wheel_.Schedule(b.get(), kStart + microseconds(300));
  wheel_.Schedule(c.get(), kStart + microseconds(900));
  wheel_.Schedule(d.get(), kStart + microseconds(900));
  EXPECT_EQ(wheel_.size(), 4u);
  EXPECT_EQ(wheel_.Advance(kStart + milliseconds(1)), 4u);
  EXPECT_EQ(fired_, std::vector<int>({2, 1, 3, 4}));
}

TEST_F(TimerWheelTest, TiesKeepTheirOrderWhenTheyCameByDifferentWheels) {
  const MonoTime deadline = kStart + seconds(600);
  const auto early = Recorder(1);
  const auto late = Recorder(2);
  const auto last = Recorder(3);
  wheel_.Schedule(early.get(), deadline);
  wheel_.Advance(kStart + seconds(590));
  wheel_.Schedule(late.get(), deadline);
  wheel_.Advance(deadline - milliseconds(2));
  wheel_.Schedule(last.get(), deadline);
  wheel_.Advance(deadline);
  EXPECT_EQ(fired_, std::vector<int>({1, 2, 3}));
}

TEST_F(TimerWheelTest, ScheduleMovesAndNeverCancels) {
  const auto timer = Recorder(1);
  wheel_.Schedule(timer.get(), kStart + milliseconds(5));
  wheel_.Schedule(timer.get(), kStart + seconds(5));
  EXPECT_EQ(wheel_.size(), 1u);
  EXPECT_EQ(wheel_.Advance(kStart + seconds(4)), 0u);
  wheel_.Schedule(timer.get(), kNever);
  EXPECT_FALSE(timer->scheduled());
  EXPECT_EQ(wheel_.NextDue(), kNever);
  EXPECT_EQ(wheel_.Advance(kStart + seconds(6)), 0u);
  wheel_.Cancel(timer.get());  // not scheduled: nothing
  EXPECT_EQ(wheel_.size(), 0u);
}

TEST_F(TimerWheelTest, TimerScheduledFromACallbackWaitsForTheNextCall) {
  const auto other = Recorder(2);
  int count = 0;
  FakeTimer* self = nullptr;
  FakeTimer timer([&] {
    EXPECT_FALSE(self->scheduled());
    if (++count == 2) return;
    wheel_.Schedule(self, kStart);  // long past
    wheel_.Schedule(other.get(), kStart);
  });
  self = &timer;
  wheel_.Schedule(&timer, kStart + milliseconds(1));
  EXPECT_EQ(wheel_.Advance(kStart + milliseconds(2)), 1u);
  EXPECT_EQ(count, 1);
  EXPECT_LE(wheel_.NextDue(), kStart + milliseconds(2));
  EXPECT_EQ(wheel_.Advance(kStart + milliseconds(2)), 2u);
  EXPECT_EQ(count, 2);
  EXPECT_EQ(fired_, std::vector<int>({2}));
}

TEST_F(TimerWheelTest, CallbackTakesAwayWhatWouldFireInTheSameCall) {
  auto cancelled = Recorder(2);
  auto moved = Recorder(3);
  auto destroyed = Recorder(4);
  const auto left = Recorder(5);
  FakeTimer timer([&] {
    wheel_.Cancel(cancelled.get());
    wheel_.Schedule(moved.get(), kStart + seconds(1));
    destroyed.reset();
  });
  wheel_.Schedule(&timer, kStart + milliseconds(1));
  for (Timer* t : {cancelled.get(), moved.get(), destroyed.get(), left.get()}) {
    wheel_.Schedule(t, kStart + milliseconds(2));
  }
  EXPECT_EQ(wheel_.Advance(kStart + milliseconds(2)), 2u);
  EXPECT_EQ(fired_, std::vector<int>({5}));
  EXPECT_EQ(wheel_.size(), 1u);
  EXPECT_EQ(wheel_.Advance(kStart + seconds(1)), 1u);
  EXPECT_EQ(fired_, std::vector<int>({5, 3}));
}

TEST_F(TimerWheelTest, OwnerIsDestroyedFromItsOwnCallback) {
  std::unique_ptr<FakeTimer> timer;
  timer = std::make_unique<FakeTimer>([&timer] { timer.reset(); });
  const auto next = Recorder(2);
  wheel_.Schedule(timer.get(), kStart + milliseconds(1));
  wheel_.Schedule(next.get(), kStart + milliseconds(1));
  EXPECT_EQ(wheel_.Advance(kStart + milliseconds(1)), 2u);
  EXPECT_EQ(timer, nullptr);
  EXPECT_EQ(fired_, std::vector<int>({2}));
}

TEST_F(TimerWheelTest, WheelMayGoBeforeItsTimers) {
  auto wheel = std::make_unique<TimerWheel>(kStart);
  const auto near = Recorder(1);
  const auto far = Recorder(2);
  const auto past = Recorder(3);
  wheel->Schedule(near.get(), kStart + milliseconds(1));
  wheel->Schedule(far.get(), kStart + hours(1000));
  wheel->Schedule(past.get(), kStart);
  wheel.reset();
  EXPECT_FALSE(near->scheduled());
  EXPECT_FALSE(far->scheduled());
  EXPECT_FALSE(past->scheduled());
}

TEST_F(TimerWheelTest, EveryDeadlineThatCanBeNamedIsInRange) {
  const auto last = Recorder(1);
  wheel_.Schedule(last.get(), kNever - Duration(1));
  EXPECT_LT(wheel_.NextDue(), kNever);
  EXPECT_EQ(wheel_.Advance(kStart + hours(24 * 365 * 200)), 0u);
  EXPECT_EQ(wheel_.size(), 1u);
}

// A loop that sleeps until NextDue() wakes up a few times for a far deadline,
// never once a tick, and never too late.
TEST_F(TimerWheelTest, AnIdleDayCostsAFewWakeUps) {
  const auto timer = Recorder(1);
  const MonoTime deadline = kStart + hours(24) + microseconds(3);
  wheel_.Schedule(timer.get(), deadline);
  int wakeups = 0;
  MonoTime now = kStart;
  while (timer->scheduled()) {
    ASSERT_GE(wheel_.NextDue(), now);
    now = wheel_.NextDue();
    wheel_.Advance(now);
    ASSERT_LE(++wakeups, 6);
  }
  EXPECT_GE(now, deadline);
  EXPECT_LT(now, deadline + TimerWheel::kTick);
}

// Three centuries of ticks in one step: it would not end if it cost anything a
// tick.
TEST_F(TimerWheelTest, OneAdvanceOverAllTimeFiresEverything) {
  std::vector<std::unique_ptr<FakeTimer>> timers;
  for (int i = 0; i < 43; ++i) {
    timers.push_back(Recorder(i));
    wheel_.Schedule(timers.back().get(),
                    kStart + milliseconds(int64_t{1} << i));
  }
  EXPECT_EQ(wheel_.Advance(kNever), 43u);
  EXPECT_TRUE(std::is_sorted(fired_.begin(), fired_.end()));
  EXPECT_EQ(wheel_.NextDue(), kNever);
}

}  // namespace
}  // namespace weir
