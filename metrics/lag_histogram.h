// Public. Loop lag, weighted by time: a byte arrives now, how long until the
// loop looks at it?
//
// Let p be the time just before the poll call and c the time just after it.
// While the loop waits (p to c) the answer is zero. While it is busy (c to the
// next p, for B nanoseconds) it is what is left of B: from B down to 0, each
// value for the same time. So without any timer an iteration gives bucket j,
// with upper bound u_j, exactly min(B, u_j) - min(B, u_(j-1)) nanoseconds, the
// wait gives the first bucket c - p, and the sum of lag over time grows by
// B * B / 2. Unlike one sample an iteration, a stall of 500 ms weighs as much
// as it did for those who waited.
//
// A reader adds what runs now as if it ended now. So a stall is seen before it
// ends, and an idle loop does not add an hour of good time at once when it
// wakes. As min(B, u) and B * B / 2 only grow with B, no total ever falls.

#ifndef METRICS_LAG_HISTOGRAM_H_
#define METRICS_LAG_HISTOGRAM_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>

#include "metrics/instrument.h"

namespace weir {

// Times are nanoseconds on one monotonic clock, given by the caller. The three
// boundaries are for exactly one thread, Read() for any. Every boundary takes a
// function that reads the clock, not a time: the clock has to be read after the
// sequence number turned odd. Else a reader between the writer's look at the
// clock and its stores would count the old phase beyond its end, and the next
// reading would be less.
class alignas(kCacheLine) LagHistogram {
 public:
  // Upper bounds in nanoseconds; a last bucket has none.
  static constexpr std::array<int64_t, 16> kBounds = {
      100'000,       250'000,       500'000,       1'000'000,
      2'500'000,     5'000'000,     10'000'000,    25'000'000,
      50'000'000,    100'000'000,   250'000'000,   500'000'000,
      1'000'000'000, 2'500'000'000, 5'000'000'000, 10'000'000'000};
  static constexpr size_t kBuckets = kBounds.size() + 1;

  enum class Phase : uint8_t { kOff, kWaiting, kBusy };

  // One moment of a histogram, what is unfinished included.
  struct Snapshot {
    // Time in each bucket, not cumulative. Their sum is the time from the first
    // boundary to the reading.
    std::array<uint64_t, kBuckets> bucket_ns{};
    // Integral of lag over time, in seconds squared: as integer nanoseconds
    // squared it would wrap in a stall of 6 s.
    double lag_integral = 0;
    uint64_t busy_ns = 0;
    uint64_t iterations = 0;  // finished ones
    // For how long the current iteration has been busy; 0 while it waits.
    uint64_t age_ns = 0;
    Phase phase = Phase::kOff;
    int64_t since_ns = 0;  // start of the phase

    uint64_t TotalNanos() const;
    uint64_t PollNanos() const { return TotalNanos() - busy_ns; }
  };

  LagHistogram() = default;
  LagHistogram(const LagHistogram&) = delete;
  LagHistogram& operator=(const LagHistogram&) = delete;

  // The loop is about to poll: its iteration, if one runs, ends. Returns the
  // time read. `read_clock` is called once: int64_t().
  template <class ReadClock>
  int64_t BeginWait(ReadClock&& read_clock) {
    return Boundary(Phase::kWaiting, read_clock);
  }

  // The poll returned: the wait ends, an iteration begins.
  template <class ReadClock>
  int64_t EndWait(ReadClock&& read_clock) {
    return Boundary(Phase::kBusy, read_clock);
  }

  // The loop ended: nothing accrues and the age is 0, until a next boundary.
  template <class ReadClock>
  int64_t Finish(ReadClock&& read_clock) {
    return Boundary(Phase::kOff, read_clock);
  }

  // Spins while a boundary is being written (tens of nanoseconds) and calls
  // `read_clock` once a try.
  template <class ReadClock>
  Snapshot Read(ReadClock&& read_clock) const {
    for (;;) {
      const uint32_t before = sequence_.load(std::memory_order_acquire);
      if ((before & 1) == 0) {
        const Snapshot finished = LoadFinished();
        const int64_t now = read_clock();
        if (sequence_.load(std::memory_order_relaxed) == before) {
          return Fold(finished, now);
        }
      }
      // The writer may have lost its processor inside the section.
      std::this_thread::yield();
    }
  }

 private:
  template <class ReadClock>
  int64_t Boundary(Phase next, ReadClock& read_clock) {
    const uint32_t sequence = sequence_.load(std::memory_order_relaxed);
    sequence_.store(sequence + 1, std::memory_order_relaxed);
    const int64_t now = read_clock();
    Advance(next, now);
    sequence_.store(sequence + 2, std::memory_order_release);
    return now;
  }

  void Advance(Phase next, int64_t now);
  Snapshot LoadFinished() const;
  // Adds what is unfinished to `finished`.
  static Snapshot Fold(Snapshot finished, int64_t now);

  // Written by the loop thread, read by any, consistent under sequence_ (even:
  // at rest). Stores are release and loads acquire, for the number to be seen
  // odd by whoever sees one of its values; gcc has no atomic_thread_fence under
  // thread sanitizer. On x86 they are plain moves.
  std::atomic<uint32_t> sequence_{0};
  std::atomic<Phase> phase_{Phase::kOff};
  std::atomic<int64_t> since_{0};  // start of the phase
  std::atomic<double> lag_integral_{0};
  std::atomic<uint64_t> busy_ns_{0};
  std::atomic<uint64_t> iterations_{0};
  std::array<std::atomic<uint64_t>, kBuckets> bucket_ns_{};
};

// What Prometheus is told: a plain histogram of one virtual arrival a
// millisecond. Counts are whole; what is less than a millisecond stays in the
// nanoseconds that they come from, so nothing is lost between two scrapes.
struct LagSample {
  // Cumulative, the last one (no upper bound) is the total.
  std::array<uint64_t, LagHistogram::kBuckets> cumulative{};
  double sum_seconds = 0;

  static LagSample From(const LagHistogram::Snapshot& snapshot);

  // Raises each number to that of an older sample. A store may leave a
  // processor some nanoseconds after the clock was read behind it, so a total
  // could fall by as much, and a counter that falls is taken for a restart.
  void RaiseTo(const LagSample& older);
  // Adds the same histogram of another loop.
  void Add(const LagSample& other);
};

}  // namespace weir

#endif  // METRICS_LAG_HISTOGRAM_H_
