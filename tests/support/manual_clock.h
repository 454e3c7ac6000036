// A clock that stands still until a test moves it.

#ifndef TESTS_SUPPORT_MANUAL_CLOCK_H_
#define TESTS_SUPPORT_MANUAL_CLOCK_H_

#include <atomic>
#include <chrono>
#include <cstdint>

#include "reactor/clock.h"

namespace weir {

// Thread-safe. Starts an hour after zero, so that a test may look back.
class ManualClock final : public Clock {
 public:
  MonoTime Now() override { return MonoTime(Duration(nanos_.load())); }
  int64_t WallNanos() override { return nanos_.load(); }

  void Advance(Duration by) { nanos_.fetch_add(by.count()); }

 private:
  std::atomic<int64_t> nanos_{Duration(std::chrono::hours(1)).count()};
};

}  // namespace weir

#endif  // TESTS_SUPPORT_MANUAL_CLOCK_H_
