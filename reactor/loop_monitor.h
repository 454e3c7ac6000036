// Public. What a loop tells about itself: its lag, iterations, callbacks and
// stalls.

#ifndef REACTOR_LOOP_MONITOR_H_
#define REACTOR_LOOP_MONITOR_H_

#include <sys/types.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "metrics/histogram.h"
#include "metrics/instrument.h"
#include "metrics/lag_histogram.h"
#include "metrics/registry.h"
#include "metrics/seq_cell.h"
#include "reactor/callback_kind.h"
#include "reactor/clock.h"
#include "reactor/loop_sampler.h"
#include "reactor/pause_log.h"
#include "reactor/stack_trace.h"
#include "reactor/stall.h"
#include "reactor/stall_log.h"
#include "reactor/thread_usage.h"

namespace weir {

// One a reactor; outlives it. The first group is for the loop thread, the
// others for any thread.
//
// A callback lasts until the next one begins or the loop polls again, so an
// iteration of one callback reads no clock but at its two boundaries.
class LoopMonitor {
 public:
  struct Options {
    // What a callback or an iteration may take before it is a stall.
    Duration stall_threshold = std::chrono::milliseconds(10);
    const PauseLog* pauses = nullptr;  // optional; outlives the monitor
  };

  LoopMonitor() : LoopMonitor(Options()) {}
  explicit LoopMonitor(Options options) : options_(options) {}
  LoopMonitor(const LoopMonitor&) = delete;
  LoopMonitor& operator=(const LoopMonitor&) = delete;

  // --- Loop thread ----------------------------------------------------------

  // The calling thread is the loop's until Finished(): `usage` tells what it
  // got, and RequestStack() reaches it. Not called (or null): every stall
  // passes for `cpu`.
  void Started(std::unique_ptr<ThreadUsage> usage);

  // Just before the poll call. Reads the clock, once, and returns that time, so
  // that the loop does not read it again.
  MonoTime BeforeWait(Clock& clock);

  // Just after the poll call, which was to last for `timeout` at most and
  // returned `events` events; `full`: no more would have fitted.
  MonoTime AfterWait(Clock& clock, Duration timeout, size_t events, bool full);

  // A callback of this kind begins, and the one before it is over. Reads the
  // clock unless it is the iteration's first. Nothing outside an iteration.
  void Enter(Clock& clock, CallbackKind kind, Subject subject);
  // What is known better of the callback that runs. Reads no clock.
  void Describe(CallbackKind kind, Subject subject) {
    kind_.store(kind, std::memory_order_relaxed);
    forward_.store(subject.forward, std::memory_order_relaxed);
    connection_.store(subject.connection, std::memory_order_relaxed);
  }

  // The loop ended and may start again. Without this call its last iteration
  // would seem to run for ever.
  void Finished(Clock& clock);

  // --- Any thread. `clock` is the one of the loop ---------------------------

  LagHistogram::Snapshot Read(Clock& clock) const {
    return lag_.Read([&clock] { return Nanos(clock); });
  }

  // For how long the current iteration has been busy; zero while the loop
  // waits.
  Duration Age(Clock& clock) const {
    return Duration(static_cast<int64_t>(Read(clock).age_ns));
  }

  LoopActivity Activity(Clock& clock) const;
  // The last 32, the newest first.
  std::vector<Stall> Stalls() const { return stalls_.Last(); }
  Duration stall_threshold() const { return options_.stall_threshold; }

  uint64_t events() const { return events_.Value(); }

  // Adds the families <prefix>reactor_* that a loop itself knows, with the
  // label reactor=`reactor`. The monitor and `clock` outlive the registry's
  // last scrape.
  void Register(const std::string& prefix, const std::string& reactor,
                Clock* clock, Registry* registry) const;

  // --- For the watchdog's thread --------------------------------------------

  // Once in a process, before the first RequestStack(): installs the handler of
  // SIGURG, whose default does nothing, so that it never ends a process.
  static void EnableStacks();
  // Interrupts the loop thread, which then leaves its stack for Activity().
  // System calls are restarted (SA_RESTART); those that cannot be return EINTR.
  void RequestStack() const;

 private:
  struct StackOf {
    int64_t callback = 0;  // callback_since_ of the one that it was taken in
    uint64_t number = 0;   // from 1
    StackTrace stack;
  };

  static int64_t Nanos(Clock& clock) {
    return clock.Now().time_since_epoch().count();
  }
  static MonoTime ToTime(int64_t nanos) { return MonoTime(Duration(nanos)); }
  // In the signal handler, on the loop thread.
  void LeaveStack(const void* context);
  void EndCallback(MonoTime now);
  void EndIteration(MonoTime now);
  void AddStall(MonoTime begin, MonoTime now, bool whole_iteration);
  // Busy time from the start to `now`, which lies in an iteration.
  Duration BusyUntil(MonoTime now) const { return busy_ + (now - busy_since_); }
  StallCause CauseOf(const UsageSince& usage, MonoTime begin,
                     MonoTime now) const;

  const Options options_;

  // Loop thread writes, any thread reads.
  LagHistogram lag_;
  // On the line after lag_'s, which no other thread writes either. The callback
  // that runs. Relaxed: for an instant a reader may see two of them mixed, but
  // one that takes long was written long ago.
  std::atomic<int64_t> callback_since_{0};
  std::atomic<uint64_t> connection_{0};
  std::atomic<uint32_t> forward_{Subject::kNoForward};
  std::atomic<CallbackKind> kind_{CallbackKind::kTask};
  Counter events_;
  Counter events_full_;
  struct KindTotals {
    Counter callbacks;
    Counter nanos;
  };
  std::array<KindTotals, kCallbackKinds> kinds_;
  Histogram<LagHistogram::kBounds> iterations_;
  Histogram<LagHistogram::kBounds> wake_delays_;
  StallLog stalls_;
  LoopSampler sampler_;
  // Written by the signal handler, which runs on the loop thread.
  SeqCell<StackOf> stack_;
  std::atomic<pid_t> thread_{0};  // 0: none

  // Loop thread only.
  bool in_iteration_ = false;
  bool in_callback_ = false;
  bool iteration_stalled_ = false;  // one of its callbacks did
  MonoTime wait_since_;
  MonoTime busy_since_;
  Duration busy_{};  // of finished iterations
};

inline MonoTime LoopMonitor::BeforeWait(Clock& clock) {
  const MonoTime now = ToTime(lag_.BeginWait([&] { return Nanos(clock); }));
  if (in_iteration_) EndIteration(now);
  wait_since_ = now;
  return now;
}

inline MonoTime LoopMonitor::AfterWait(Clock& clock, Duration timeout,
                                       size_t events, bool full) {
  const MonoTime now = ToTime(lag_.EndWait([&] { return Nanos(clock); }));
  if (events == 0 && timeout > Duration::zero() &&
      now - wait_since_ >= timeout) {
    wake_delays_.Observe((now - wait_since_ - timeout).count());
  }
  events_.Add(events);
  if (full) events_full_.Add();
  in_iteration_ = true;
  in_callback_ = iteration_stalled_ = false;
  busy_since_ = now;
  return now;
}

inline void LoopMonitor::EndCallback(MonoTime now) {
  const int64_t since = callback_since_.load(std::memory_order_relaxed);
  const Duration took = now - ToTime(since);
  KindTotals& totals =
      kinds_[static_cast<size_t>(kind_.load(std::memory_order_relaxed))];
  totals.callbacks.Add();
  totals.nanos.Add(static_cast<uint64_t>(took.count()));
  if (took >= options_.stall_threshold) {
    iteration_stalled_ = true;
    AddStall(ToTime(since), now, /*whole_iteration=*/false);
  }
}

inline void LoopMonitor::Enter(Clock& clock, CallbackKind kind,
                               Subject subject) {
  if (!in_iteration_) return;  // what is cut after the loop ended
  MonoTime now = busy_since_;
  if (in_callback_) {
    now = clock.Now();
    EndCallback(now);
  }
  in_callback_ = true;
  callback_since_.store(now.time_since_epoch().count(),
                        std::memory_order_relaxed);
  Describe(kind, subject);
}

inline void LoopMonitor::EndIteration(MonoTime now) {
  if (in_callback_) EndCallback(now);
  const Duration took = now - busy_since_;
  iterations_.Observe(took.count());
  if (took >= options_.stall_threshold && !iteration_stalled_) {
    AddStall(busy_since_, now, /*whole_iteration=*/true);
  } else if (sampler_.Due(BusyUntil(now), now)) {
    sampler_.Take(BusyUntil(now), now);
  }
  busy_ += took;
  in_iteration_ = in_callback_ = false;
}

}  // namespace weir

#endif  // REACTOR_LOOP_MONITOR_H_
