#include "reactor/timer_wheel.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "reactor/clock.h"

namespace weir {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Not on a tick, and not zero: both have hidden mistakes before.
constexpr MonoTime kStart{Duration(1'234'567'891)};

class FakeTimer final : public Timer {
 public:
  explicit FakeTimer(std::function<void()> on_timer)
      : on_timer_(std::move(on_timer)) {}

 private:
  void OnTimer() noexcept override {
    // The callback may destroy this object, and its function with it.
    const std::function<void()> on_timer = on_timer_;
    on_timer();
  }

  std::function<void()> on_timer_;
};

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

// --- Against a model --------------------------------------------------------

// What a wheel must do, in the plainest way.
class Model {
 public:
  void Schedule(int id, MonoTime deadline) {
    Cancel(id);
    if (deadline == kNever) return;
    const uint64_t ticks =
        (static_cast<uint64_t>((deadline - kStart).count()) + 999'999) /
        1'000'000;
    const MonoTime due =
        deadline <= now_
            ? now_
            : kStart + static_cast<int64_t>(ticks) * milliseconds(1);
    keys_[id] = {deadline, order_++};
    timers_[keys_[id]] = {id, due};
  }
  void Cancel(int id) {
    const auto it = keys_.find(id);
    if (it == keys_.end()) return;
    timers_.erase(it->second);
    keys_.erase(it);
  }
  // The ids that are due, in order; they stay until Cancel().
  std::vector<int> Due(MonoTime now) {
    now_ = std::max(now_, now);
    std::vector<int> due;
    for (const auto& [key, timer] : timers_) {
      if (timer.due <= now_) due.push_back(timer.id);
    }
    return due;
  }
  MonoTime Earliest() const {
    return timers_.empty() ? kNever : timers_.begin()->first.first;
  }
  size_t size() const { return timers_.size(); }

 private:
  using Key = std::pair<MonoTime, uint64_t>;
  struct Entry {
    int id = 0;
    MonoTime due;
  };

  MonoTime now_ = kStart;
  uint64_t order_ = 0;
  std::map<Key, Entry> timers_;
  std::map<int, Key> keys_;
};

class TimerWheelModelTest : public testing::TestWithParam<uint32_t> {
 protected:
  // Mostly near, sometimes hours or years away: uniform in the exponent.
  Duration RandomDelay() {
    const int64_t max = int64_t{1} << Uniform(0, 56);
    return Duration(
        std::uniform_int_distribution<int64_t>(-max / 8, max)(rng_));
  }
  int Uniform(int least, int most) {
    return std::uniform_int_distribution<int>(least, most)(rng_);
  }

  std::mt19937 rng_{GetParam()};
};

TEST_P(TimerWheelModelTest, DoesWhatTheModelDoes) {
  SCOPED_TRACE(testing::Message() << "seed " << GetParam());
  constexpr int kTimers = 60;
  constexpr int kSteps = 4000;
  TimerWheel wheel(kStart);
  Model model;
  MonoTime now = kStart;
  std::vector<std::unique_ptr<FakeTimer>> timers(kTimers);
  std::vector<int> fired;

  const auto schedule = [&](int id) {
    MonoTime deadline = now + RandomDelay();
    // Many ties.
    if (Uniform(0, 3) == 0) deadline = now + milliseconds(Uniform(0, 3));
    wheel.Schedule(timers[id].get(), deadline);
    model.Schedule(id, deadline);
  };
  const auto cancel = [&](int id) {
    wheel.Cancel(timers[id].get());
    model.Cancel(id);
  };
  // Of the Advance() that runs: what the model says is still to fire.
  std::vector<int> expected;
  const auto withdraw = [&](int id) { std::erase(expected, id); };
  std::function<void(int)> on_timer;
  const auto make = [&](int id) {
    timers[id] = std::make_unique<FakeTimer>([&on_timer, id] { on_timer(id); });
  };
  on_timer = [&](int id) {
    ASSERT_FALSE(expected.empty());
    ASSERT_EQ(id, expected.front());
    ASSERT_FALSE(timers[id]->scheduled());
    expected.erase(expected.begin());
    model.Cancel(id);
    fired.push_back(id);
    const int other = Uniform(0, kTimers - 1);
    switch (Uniform(0, 7)) {
      case 0:
        schedule(id);
        break;
      case 1:
        withdraw(other);
        schedule(other);
        break;
      case 2:
        withdraw(other);
        cancel(other);
        break;
      case 3:  // its own owner goes
        make(id);
        break;
      case 4:
        withdraw(other);
        model.Cancel(other);
        make(other);
        break;
      default:
        break;
    }
  };
  for (int id = 0; id < kTimers; ++id) make(id);

  for (int step = 0; step < kSteps; ++step) {
    const int id = Uniform(0, kTimers - 1);
    switch (Uniform(0, 9)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        schedule(id);
        break;
      case 5:
        cancel(id);
        break;
      case 6:
        make(id);
        model.Cancel(id);
        break;
      default: {
        if (Uniform(0, 2) == 0) {
          now =
              std::max(now, wheel.NextDue() == kNever ? now : wheel.NextDue());
        } else if (Uniform(0, 1) == 0) {
          now += milliseconds(Uniform(0, 80));
        } else {
          // Up to an hour; now and then a year.
          now += Duration(std::uniform_int_distribution<int64_t>(
              0,
              int64_t{1} << Uniform(0, Uniform(0, 30) == 0 ? 54 : 42))(rng_));
        }
        fired.clear();
        expected = model.Due(now);
        const size_t count = wheel.Advance(now);
        ASSERT_EQ(count, fired.size());
        ASSERT_TRUE(expected.empty()) << expected.size() << " did not fire";
      }
    }
    ASSERT_EQ(wheel.size(), model.size());
    if (model.size() == 0) {
      ASSERT_EQ(wheel.NextDue(), kNever);
    } else {
      ASSERT_LE(wheel.NextDue(),
                std::max(model.Earliest(), now) + TimerWheel::kTick);
      // Sleeping until then, a loop must get on: never the same time twice
      // without a timer that fires.
      ASSERT_GE(wheel.NextDue(), std::min(model.Earliest(), now));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, TimerWheelModelTest,
                         testing::Range(uint32_t{1}, uint32_t{21}));

}  // namespace
}  // namespace weir
