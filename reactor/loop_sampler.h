// Internal to reactor/. What a loop's busy time was spent on.

#ifndef REACTOR_LOOP_SAMPLER_H_
#define REACTOR_LOOP_SAMPLER_H_

#include <atomic>
#include <memory>
#include <vector>

#include "metrics/seq_cell.h"
#include "reactor/clock.h"
#include "reactor/stall.h"
#include "reactor/thread_usage.h"

namespace weir {

// What happened between two samples.
struct UsageSince {
  Duration busy{};  // of the loop, by the wall clock
  Usage used;

  // Never kPaused: that is not the thread's doing.
  StallCause Cause() const;
};

// Reading what the kernel knows of a thread costs two system calls, so it is
// not done at each boundary: every 5 ms of busy time, and every 100 ms of any
// time, lest a stall be mixed with what came long before it: the kernel counts
// for the thread, poll calls and wake-ups included.
class LoopSampler {
 public:
  static constexpr Duration kBusyBetween = std::chrono::milliseconds(5);
  static constexpr Duration kLongest = std::chrono::milliseconds(100);

  // --- Loop thread ----------------------------------------------------------

  // Before the first sample. Null: nothing is known, and nothing is asked.
  void Start(std::unique_ptr<ThreadUsage> usage);
  // `busy`: of the loop, since it started.
  bool Due(Duration busy, MonoTime now) const {
    return busy - taken_busy_ >= kBusyBetween || now - taken_at_ >= kLongest;
  }
  // Takes a sample; returns what was since the one before.
  UsageSince Take(Duration busy, MonoTime now);

  // --- Any thread -----------------------------------------------------------

  // Since the last sample, without taking one.
  UsageSince Since(Duration busy) const;
  Duration cpu() const;

 private:
  struct Sample {
    Duration busy{};
    Usage used;
  };

  // Written by Start(), before the loop's first boundary, which releases it to
  // whoever sees that the loop runs.
  // Those of earlier threads stay, for somebody may be reading one.
  std::vector<std::unique_ptr<ThreadUsage>> owned_;
  std::atomic<ThreadUsage*> usage_{nullptr};
  SeqCell<Sample> last_;

  // Loop thread only.
  Duration taken_busy_{};
  MonoTime taken_at_;
};

}  // namespace weir

#endif  // REACTOR_LOOP_SAMPLER_H_
