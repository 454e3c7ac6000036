// The families of a loop.

#include <string>
#include <string_view>

#include "reactor/loop_monitor.h"

namespace weir {
namespace {

double Seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

double SecondsOf(uint64_t nanos) { return static_cast<double>(nanos) * 1e-9; }

MetricLabels With(const std::string& reactor, const char* name,
                  std::string_view value) {
  return {{"reactor", reactor}, {name, std::string(value)}};
}

}  // namespace

void LoopMonitor::Register(const std::string& prefix,
                           const std::string& reactor, Clock* clock,
                           Registry* registry) const {
  const MetricLabels labels = {{"reactor", reactor}};
  const std::string p = prefix + "reactor_";
  registry->AddLagHistogram(
      p + "lag_seconds",
      "How long a byte that arrives at a random instant waits until the loop "
      "looks at it, weighted by time: one virtual arrival a millisecond.",
      labels, [this, clock] { return Read(*clock); });
  registry->AddHistogram(p + "iteration_duration_seconds",
                         "Time from the return of a poll call to the next "
                         "one; one sample an iteration.",
                         labels, [this] { return iterations_.Read(); });
  registry->AddGauge(
      p + "iteration_age_seconds",
      "How long the current iteration has been running; 0 while it polls.",
      labels, [this, clock] { return Seconds(Age(*clock)); });
  registry->AddCounter(
      p + "busy_seconds_total", "Time outside the poll call.", labels,
      [this, clock] { return SecondsOf(Read(*clock).busy_ns); });
  registry->AddCounter(
      p + "poll_seconds_total", "Time in the poll call.", labels,
      [this, clock] { return SecondsOf(Read(*clock).PollNanos()); });
  registry->AddCounter(p + "cpu_seconds_total",
                       "Processor time of the loop's thread, poll calls too.",
                       labels, [this] { return Seconds(sampler_.cpu()); });
  registry->AddCounter(
      p + "iterations_total", "Finished iterations of the loop.", labels,
      [this, clock] { return static_cast<double>(Read(*clock).iterations); });
  registry->AddCounter(p + "events_total", "Events that poll calls returned.",
                       labels, &events_);
  registry->AddCounter(p + "events_full_total",
                       "Poll calls that returned as many events as they may.",
                       labels, &events_full_);
  registry->AddHistogram(
      p + "wake_delay_seconds",
      "How far past its timeout a poll call without events returned: the "
      "kernel's delay.",
      labels, [this] { return wake_delays_.Read(); });
  for (size_t k = 0; k < kCallbackKinds; ++k) {
    const MetricLabels kind = With(reactor, "kind", kCallbackKindNames[k]);
    registry->AddCounter(p + "callbacks_total", "Callbacks that ran, by kind.",
                         kind, &kinds_[k].callbacks);
    registry->AddCounter(
        p + "callback_seconds_total", "Time in callbacks, by kind.", kind,
        [this, k] { return SecondsOf(kinds_[k].nanos.Value()); });
  }
  for (size_t k = 0; k <= kCallbackKinds; ++k) {
    registry->AddCounter(
        p + "stalls_total",
        "Callbacks, and iterations without such a callback, that took at "
        "least --stall_threshold.",
        With(reactor, "kind",
             k < kCallbackKinds ? kCallbackKindNames[k] : kIterationName),
        &stalls_.count(k));
  }
  for (size_t c = 0; c < kStallCauseNames.size(); ++c) {
    registry->AddCounter(
        p + "stall_seconds_total", "Time in stalls, by cause.",
        With(reactor, "cause", kStallCauseNames[c]), [this, c] {
          return SecondsOf(stalls_.nanos(static_cast<StallCause>(c)).Value());
        });
  }
}

}  // namespace weir
