// Public. Time as the loop sees it. Only clock.cc reads the machine's clocks
// (a test greps for others); everything else is told the time.

#ifndef REACTOR_CLOCK_H_
#define REACTOR_CLOCK_H_

#include <chrono>
#include <cstdint>
#include <optional>

namespace weir {

using Duration = std::chrono::nanoseconds;

// CLOCK_MONOTONIC (std::chrono::steady_clock on Linux). Never wall time.
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, Duration>;

// "No deadline" and "wait for ever".
inline constexpr MonoTime kNever = MonoTime::max();
inline constexpr Duration kForever = Duration::max();

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  // Monotonic; never goes back.
  virtual MonoTime Now() = 0;

  // Nanoseconds since the Unix epoch. For text that people read, never for
  // arithmetic on deadlines.
  virtual int64_t WallNanos() = 0;

  // The machine's clocks. Never destroyed.
  static Clock& Real();
};

// The processor time that one thread has used. Any thread may read it.
class ThreadCpuClock {
 public:
  static ThreadCpuClock OfThisThread();

  // Nothing once the thread is over.
  std::optional<Duration> Now() const;

 private:
  explicit ThreadCpuClock(int id) : id_(id) {}

  int id_;  // a clockid_t
};

}  // namespace weir

#endif  // REACTOR_CLOCK_H_
