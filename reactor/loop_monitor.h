// Public. What a loop tells about itself: its lag, iterations and events.

#ifndef REACTOR_LOOP_MONITOR_H_
#define REACTOR_LOOP_MONITOR_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "metrics/instrument.h"
#include "metrics/lag_histogram.h"
#include "metrics/registry.h"
#include "reactor/callback_kind.h"
#include "reactor/clock.h"
#include "reactor/stall.h"

namespace weir {

// One a reactor; outlives it. The first group is for the loop thread, the
// second for any thread.
class LoopMonitor {
 public:
  // --- Loop thread ----------------------------------------------------------

  // Just before the poll call. Reads the clock, once, and returns that time, so
  // that the loop does not read it again.
  MonoTime BeforeWait(Clock& clock) {
    return ToTime(lag_.BeginWait([&clock] { return Nanos(clock); }));
  }

  // Just after the poll call, which returned `events` events.
  MonoTime AfterWait(Clock& clock, size_t events) {
    events_.Add(events);
    return ToTime(lag_.EndWait([&clock] { return Nanos(clock); }));
  }

  // A callback of this kind begins, and the one before it is over. Reads the
  // clock unless it is the iteration's first.
  void Enter(Clock& clock, CallbackKind kind);
  // What is known better of the callback that runs. Reads no clock.
  void Describe(CallbackKind kind, Subject subject);

  // The loop ended and may start again. Without this call its last iteration
  // would seem to run for ever.
  void Finished(Clock& clock) {
    lag_.Finish([&clock] { return Nanos(clock); });
  }

  // --- Any thread -----------------------------------------------------------

  // `clock` is the one of the loop.
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
  std::vector<Stall> Stalls() const;

  uint64_t events() const { return events_.Value(); }

  // Adds <prefix>reactor_lag_seconds, _iterations_total and
  // _iteration_age_seconds with the label reactor=`reactor`. The monitor and
  // `clock` outlive the registry's last scrape.
  void Register(const std::string& prefix, const std::string& reactor,
                Clock* clock, Registry* registry) const;

 private:
  static int64_t Nanos(Clock& clock) {
    return clock.Now().time_since_epoch().count();
  }
  static MonoTime ToTime(int64_t nanos) { return MonoTime(Duration(nanos)); }

  LagHistogram lag_;
  // On the line after lag_'s, which no other thread writes either.
  Counter events_;
};

}  // namespace weir

#endif  // REACTOR_LOOP_MONITOR_H_
