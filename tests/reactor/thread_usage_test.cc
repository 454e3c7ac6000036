#include "reactor/thread_usage.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>

#include "gtest/gtest.h"
#include "reactor/clock.h"

namespace weir {
namespace {

using std::chrono_literals::operator""ms;

TEST(ThreadUsage, CountsTheProcessorTimeOfItsThreadAlone) {
  std::atomic<bool> done{false};
  std::thread other([&] {
    while (!done) {
    }
  });
  const std::unique_ptr<ThreadUsage> mine = ThreadUsage::OfThisThread();
  const ThreadCpuClock clock = ThreadCpuClock::OfThisThread();
  const Usage before = mine->Read();
  while (*clock.Now() - before.cpu < 20ms) {
  }
  done = true;
  const Usage after = mine->Read();
  other.join();
  EXPECT_GE(after.cpu - before.cpu, 20ms);
  EXPECT_LT(after.cpu - before.cpu, 40ms);  // not the other's as well
  EXPECT_GE(after.run_delay, before.run_delay);
}

TEST(ThreadUsage, KeepsTheLastValueOfAThreadThatIsOver) {
  std::unique_ptr<ThreadUsage> usage;
  std::optional<ThreadCpuClock> clock;
  Duration last{};
  std::thread([&] {
    usage = ThreadUsage::OfThisThread();
    clock = ThreadCpuClock::OfThisThread();
    last = usage->Read().cpu;
  }).join();
  // Joined a little before the kernel has let go of it.
  while (clock->Now()) last = usage->Read().cpu;
  EXPECT_GE(usage->Read().cpu, last);
  EXPECT_EQ(usage->Read().cpu, usage->Read().cpu);
}

}  // namespace
}  // namespace weir
