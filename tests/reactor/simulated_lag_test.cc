// In simulated time weir's lag is exact: a real reactor, whose poller and work
// move a clock, against what somebody meets who arrives at every instant.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "metrics/lag_histogram.h"
#include "reactor/clock.h"
#include "reactor/loop_monitor.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"
#include "tests/reactor/reactor_test_util.h"
#include "tests/support/manual_clock.h"

namespace weir {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// All times are whole steps, so the middle of each step stands for it.
constexpr Duration kStep = microseconds(10);

// Waits by moving the clock, for what the test says, and then reports an event
// of the one descriptor. Remembers when the loop looked: from `first`, when it
// called, until `second`, when it got its answer.
class SimulatedPoller final : public Poller {
 public:
  explicit SimulatedPoller(ManualClock* clock) : clock_(*clock) {}

  std::string_view name() const override { return "simulated"; }
  int Add(int, uint64_t token, FdKind) override {
    token_ = token;
    return 0;
  }
  void Arm(int, Interest) override {}
  bool Forget(int, Forgetting) override { return true; }
  void Wait(Duration timeout, std::vector<PollEvent>* events) override {
    const MonoTime begin = clock_.Now();
    clock_.Advance(std::min(timeout, next_wait));
    looks.emplace_back(begin, clock_.Now());
    events->push_back({token_, kReadable});
  }
  void Wake() override {}

  Duration next_wait{};
  std::vector<std::pair<MonoTime, MonoTime>> looks;

 private:
  ManualClock& clock_;
  uint64_t token_ = 0;
};

class SimulatedLag : public testing::Test {
 protected:
  SimulatedLag() {
    auto poller = std::make_unique<SimulatedPoller>(&clock_);
    poller_ = poller.get();
    reactor_ = std::make_unique<Reactor>(Reactor::Options{
        .clock = &clock_, .poller = std::move(poller), .monitor = &monitor_});
    const auto watch = reactor_->Register(0, FdKind::kLevel, &event_);
    EXPECT_EQ(watch.error, 0);
    handle_ = watch.handle;
  }
  ~SimulatedLag() override { reactor_->Unregister(handle_, nullptr); }

  // A round that waits and then works for so long.
  void Round(Duration wait, Duration work) {
    poller_->next_wait = wait;
    event_.act = [this, work] { clock_.Advance(work); };
    reactor_->RunOnce();
  }

  // What arrivals in the middle of each step met, from the first look on up to
  // the last one's begin.
  struct Met {
    std::array<uint64_t, LagHistogram::kBuckets> bucket_ns{};
    double integral = 0;
  };
  Met WhatArrivalsMeet() const {
    Met met;
    for (size_t i = 0; i + 1 < poller_->looks.size(); ++i) {
      const auto& [begin, end] = poller_->looks[i];
      met.bucket_ns[0] += static_cast<uint64_t>((end - begin).count());
      for (MonoTime at = end + kStep / 2; at < poller_->looks[i + 1].first;
           at += kStep) {
        const int64_t lag = (poller_->looks[i + 1].first - at).count();
        const auto bound = std::lower_bound(LagHistogram::kBounds.begin(),
                                            LagHistogram::kBounds.end(), lag);
        met.bucket_ns[static_cast<size_t>(bound -
                                          LagHistogram::kBounds.begin())] +=
            static_cast<uint64_t>(kStep.count());
        met.integral += std::chrono::duration<double>(kStep).count() *
                        std::chrono::duration<double>(Duration(lag)).count();
      }
    }
    return met;
  }

  ManualClock clock_;
  LoopMonitor monitor_;
  Event event_{[] {}};
  SimulatedPoller* poller_ = nullptr;  // the reactor's
  std::unique_ptr<Reactor> reactor_;
  Handle handle_ = Handle::kNone;
};

// Work of every sort: events, due timers, turns and tasks, with stalls between.
TEST_F(SimulatedLag, IsWhatArrivalsMeet) {
  constexpr int kRounds = 400;
  std::mt19937_64 random(1);
  const auto steps = [&random](uint64_t most) {
    return kStep * static_cast<int64_t>(random() % (most + 1));
  };
  const auto work = [&] { clock_.Advance(steps(40)); };
  Alarm alarm(work);
  Turn turn(work);
  event_.act = [&] {
    work();
    switch (random() % 40) {
      case 0:
        return clock_.Advance(milliseconds(5));
      case 1:
        return clock_.Advance(milliseconds(50));
      case 2:
        return clock_.Advance(milliseconds(500));
      default:
        break;
    }
    if (random() % 2 == 0) reactor_->Post(work);
    if (random() % 2 == 0) reactor_->Enqueue(&turn);
    reactor_->Schedule(&alarm, reactor_->Now() + milliseconds(random() % 3));
  };
  for (int i = 0; i < kRounds; ++i) {
    poller_->next_wait = steps(300);
    reactor_->RunOnce();
  }
  reactor_->Cancel(&alarm);
  poller_->next_wait = Duration::zero();
  event_.act = [] {};
  reactor_->RunOnce();  // what was queued in the last round
  reactor_->RunOnce();

  const Met met = WhatArrivalsMeet();
  const LagHistogram::Snapshot s = monitor_.Read(clock_);
  EXPECT_EQ(s.bucket_ns, met.bucket_ns);
  EXPECT_NEAR(s.lag_integral, met.integral, met.integral * 1e-9);
  EXPECT_EQ(s.iterations, uint64_t{kRounds + 1});
  // Stalls of each length were among it.
  EXPECT_GT(met.bucket_ns[11], 0u);
}

// The schedule that shows why: 1,000 rounds of 50 us and one stall of 500 ms in
// a second. Nearly half of all arrivals wait for it, and one round in 1,001.
TEST_F(SimulatedLag, AStallWeighsWhatItTakes) {
  for (int i = 0; i < 1000; ++i) Round(microseconds(450), microseconds(50));
  Round(Duration::zero(), milliseconds(500));
  Round(Duration::zero(), Duration::zero());
  const LagSample sample = LagSample::From(monitor_.Read(clock_));
  EXPECT_EQ(sample.cumulative.back(), 1000u);
  EXPECT_EQ(sample.cumulative[5], 505u);    // up to 5 ms
  EXPECT_EQ(sample.cumulative[9], 600u);    // up to 100 ms
  EXPECT_EQ(sample.cumulative[11], 1000u);  // up to 500 ms
  EXPECT_NEAR(sample.sum_seconds / 1000, 0.125, 0.00001);
}

TEST_F(SimulatedLag, AScrapeWithinAStallSeesItsPart) {
  Round(milliseconds(100), Duration::zero());
  LagHistogram::Snapshot during;
  poller_->next_wait = Duration::zero();
  event_.act = [&] {
    clock_.Advance(milliseconds(300));
    during = monitor_.Read(clock_);
    clock_.Advance(milliseconds(200));
  };
  reactor_->RunOnce();
  EXPECT_EQ(during.age_ns, 300'000'000u);
  EXPECT_EQ(during.bucket_ns[10], 150'000'000u);  // 100 to 250 ms
  EXPECT_EQ(during.bucket_ns[11], 50'000'000u);   // 250 to 500 ms
  EXPECT_NEAR(during.lag_integral, 0.3 * 0.3 / 2, 1e-12);
}

}  // namespace
}  // namespace weir
