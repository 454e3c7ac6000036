// A reactor with work of known length, in simulated time: its lag is exact.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "metrics/lag_histogram.h"
#include "reactor/clock.h"
#include "reactor/loop_monitor.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"
#include "reactor/stall.h"
#include "tests/support/manual_clock.h"

namespace weir {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""us;

// Sleeps as long as it is told to, in simulated time.
class SleepingPoller final : public Poller {
 public:
  explicit SleepingPoller(ManualClock* clock) : clock_(clock) {}

  std::string_view name() const override { return "sleeping"; }
  int Add(int, uint64_t, FdKind) override { return 0; }
  void Arm(int, Interest) override {}
  bool Forget(int, Forgetting) override { return true; }
  void Wait(Duration timeout, std::vector<PollEvent>*) override {
    clock_->Advance(timeout);
  }
  void Wake() override {}

 private:
  ManualClock* const clock_;
};

TEST(LoopLag, IsExactInSimulatedTime) {
  ManualClock clock;
  LoopMonitor monitor;
  Reactor reactor({.clock = &clock,
                   .poller = std::make_unique<SleepingPoller>(&clock),
                   .monitor = &monitor});
  // Tasks of these lengths, 100 ms of waiting after each.
  constexpr std::array<Duration, 5> kWork = {50us, 5ms, 50ms, 500ms, 120ms};
  for (const Duration work : kWork) {
    reactor.Post([&clock, work] { clock.Advance(work); });
    reactor.RunOnce(Duration::zero());  // collects and runs it
    reactor.RunOnce(100ms);
  }
  // The integral of the lag, and the time that it exceeded a bound.
  const auto over = [&](Duration bound) {
    Duration sum{};
    for (const Duration work : kWork) {
      if (work > bound) sum += work - bound;
    }
    return sum;
  };
  double integral = 0;
  Duration total = 100ms * static_cast<int>(kWork.size());
  for (const Duration work : kWork) {
    const double seconds = std::chrono::duration<double>(work).count();
    integral += seconds * seconds / 2;
    total += work;
  }
  const LagHistogram::Snapshot lag = monitor.Read(clock);
  EXPECT_EQ(Duration(static_cast<int64_t>(lag.TotalNanos())), total);
  EXPECT_DOUBLE_EQ(lag.lag_integral, integral);
  Duration above = total;
  for (size_t j = 0; j < LagHistogram::kBounds.size(); ++j) {
    above -= Duration(static_cast<int64_t>(lag.bucket_ns[j]));
    EXPECT_EQ(above, over(Duration(LagHistogram::kBounds[j]))) << j;
  }
  // And each that was long enough was a stall of a task.
  const std::vector<Stall> stalls = monitor.Stalls();
  ASSERT_EQ(stalls.size(), 3u);
  EXPECT_EQ(stalls[0].duration, 120ms);
  EXPECT_EQ(stalls[1].duration, 500ms);
  EXPECT_EQ(stalls[2].duration, 50ms);
  EXPECT_EQ(stalls[0].kind, CallbackKind::kTask);
}

}  // namespace
}  // namespace weir
