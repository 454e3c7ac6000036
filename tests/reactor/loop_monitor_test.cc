#include "reactor/loop_monitor.h"

#include <cstdint>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "metrics/registry.h"
#include "reactor/clock.h"

namespace weir {
namespace {

using std::chrono_literals::operator""ms;
using testing::HasSubstr;

// Counts how often it is read.
class CountingClock final : public Clock {
 public:
  MonoTime Now() override {
    ++reads;
    return now;
  }
  int64_t WallNanos() override { return 0; }

  MonoTime now{Duration(1'000'000'000)};
  int reads = 0;
};

TEST(LoopMonitor, ReadsTheClockOnceABoundaryAndReturnsTheTime) {
  LoopMonitor monitor;
  CountingClock clock;
  EXPECT_EQ(monitor.BeforeWait(clock), clock.now);
  EXPECT_EQ(clock.reads, 1);
  clock.now += 5ms;
  EXPECT_EQ(monitor.AfterWait(clock, kForever, 3, false), clock.now);
  EXPECT_EQ(clock.reads, 2);
}

TEST(LoopMonitor, CountsIterationsAndEvents) {
  LoopMonitor monitor;
  CountingClock clock;
  for (size_t events : {3, 0, 4}) {
    monitor.BeforeWait(clock);
    monitor.AfterWait(clock, kForever, events, false);
  }
  EXPECT_EQ(monitor.Read(clock).iterations, 2u);  // the third still runs
  EXPECT_EQ(monitor.events(), 7u);
}

TEST(LoopMonitor, AgesWhileBusyOnly) {
  LoopMonitor monitor;
  CountingClock clock;
  EXPECT_EQ(monitor.Age(clock), 0ms);
  monitor.BeforeWait(clock);
  clock.now += 60'000ms;
  EXPECT_EQ(monitor.Age(clock), 0ms);
  monitor.AfterWait(clock, kForever, 1, false);
  clock.now += 31'000ms;
  EXPECT_EQ(monitor.Age(clock), 31'000ms);
  monitor.Finished(clock);
  clock.now += 1ms;
  EXPECT_EQ(monitor.Age(clock), 0ms);
}

TEST(LoopMonitor, RegistersWhatAScrapeSees) {
  LoopMonitor first, control;
  CountingClock clock;
  Registry registry;
  first.Register("weir_", "0", &clock, &registry);
  control.Register("weir_", "control", &clock, &registry);
  first.BeforeWait(clock);
  first.AfterWait(clock, kForever, 1, false);
  first.BeforeWait(clock);
  first.AfterWait(clock, kForever, 1, false);
  clock.now += 250ms;
  const std::string text = registry.Serialize();
  EXPECT_THAT(text,
              HasSubstr("weir_reactor_iterations_total{reactor=\"0\"} 1\n"));
  EXPECT_THAT(
      text,
      HasSubstr("weir_reactor_iterations_total{reactor=\"control\"} 0\n"));
  EXPECT_THAT(
      text,
      HasSubstr("weir_reactor_iteration_age_seconds{reactor=\"0\"} 0.25\n"));
  EXPECT_THAT(text,
              HasSubstr("weir_reactor_lag_seconds_count{reactor=\"0\"} 250\n"));
}

}  // namespace
}  // namespace weir
