// Public. How many things are in a state, and for how long they were, added up:
// the integral of a count over time. Whoever enters and leaves the state keeps
// one bit, not a time.

#ifndef METRICS_OCCUPANCY_H_
#define METRICS_OCCUPANCY_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>

namespace weir {

// Times are nanoseconds on one monotonic clock. Enter() and Leave() are for
// exactly one thread and take a time that may be somewhat old (a loop's Now());
// the readers are any.
class Occupancy {
 public:
  Occupancy() = default;
  Occupancy(const Occupancy&) = delete;
  Occupancy& operator=(const Occupancy&) = delete;

  void Enter(int64_t now) { Change(1, now); }
  void Leave(int64_t now) { Change(-1, now); }

  // What is inside now. On one shard of several it may be negative.
  int64_t Count() const { return count_.load(std::memory_order_relaxed); }

  // The sum of the times inside, what is still inside included as if it left
  // now. Never falls from one call to the next: a writer whose time is older
  // than that of a reading before it would let it. `read_clock`: int64_t(),
  // called once a try.
  template <class ReadClock>
  double Nanos(ReadClock&& read_clock) const {
    double nanos = 0;
    for (;;) {
      const uint32_t before = sequence_.load(std::memory_order_acquire);
      if ((before & 1) == 0) {
        const int64_t count = count_.load(std::memory_order_acquire);
        const int64_t since = since_.load(std::memory_order_acquire);
        nanos = integral_.load(std::memory_order_acquire);
        // Inside the section: what left meanwhile would else be counted on.
        const int64_t passed = std::max<int64_t>(read_clock() - since, 0);
        if (sequence_.load(std::memory_order_relaxed) == before) {
          nanos += static_cast<double>(count) * static_cast<double>(passed);
          break;
        }
      }
      // The writer may have lost its processor inside the section.
      std::this_thread::yield();
    }
    double told = told_.load(std::memory_order_relaxed);
    while (told < nanos && !told_.compare_exchange_weak(
                               told, nanos, std::memory_order_relaxed)) {
    }
    return std::max(told, nanos);
  }

 private:
  void Change(int64_t by, int64_t now) {
    const uint32_t sequence = sequence_.load(std::memory_order_relaxed);
    sequence_.store(sequence + 1, std::memory_order_relaxed);
    const int64_t count = count_.load(std::memory_order_relaxed);
    const int64_t passed = now - since_.load(std::memory_order_relaxed);
    integral_.store(
        integral_.load(std::memory_order_relaxed) +
            static_cast<double>(count) * static_cast<double>(passed),
        std::memory_order_release);
    count_.store(count + by, std::memory_order_release);
    since_.store(now, std::memory_order_release);
    sequence_.store(sequence + 2, std::memory_order_release);
  }

  // Written by one thread, consistent under sequence_ (even: at rest); stores
  // are release and loads acquire as in LagHistogram.
  std::atomic<uint32_t> sequence_{0};
  std::atomic<int64_t> count_{0};
  std::atomic<int64_t> since_{0};  // the last change
  // Whole nanoseconds, exact below 2^53 of them (104 days). An integer would
  // wrap when 10,000 are inside for three weeks.
  std::atomic<double> integral_{0};
  // By readers: the most that any of them returned.
  mutable std::atomic<double> told_{0};
};

}  // namespace weir

#endif  // METRICS_OCCUPANCY_H_
