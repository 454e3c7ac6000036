// Against a model.

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
#include "reactor/timer_wheel.h"
#include "tests/reactor/timer_wheel_test_util.h"

namespace weir {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

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
