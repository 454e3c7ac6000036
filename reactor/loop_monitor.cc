#include "reactor/loop_monitor.h"

namespace weir {

void LoopMonitor::Enter(Clock&, CallbackKind) {}
void LoopMonitor::Describe(CallbackKind, Subject) {}

LoopActivity LoopMonitor::Activity(Clock&) const { return {}; }
std::vector<Stall> LoopMonitor::Stalls() const { return {}; }

void LoopMonitor::Register(const std::string& prefix,
                           const std::string& reactor, Clock* clock,
                           Registry* registry) const {
  const MetricLabels labels = {{"reactor", reactor}};
  registry->AddLagHistogram(
      prefix + "reactor_lag_seconds",
      "How long a byte that arrives at a random instant waits until the loop "
      "looks at it, weighted by time: one virtual arrival a millisecond.",
      labels, [this, clock] { return Read(*clock); });
  registry->AddCounter(
      prefix + "reactor_iterations_total", "Finished iterations of the loop.",
      labels,
      [this, clock] { return static_cast<double>(Read(*clock).iterations); });
  registry->AddGauge(
      prefix + "reactor_iteration_age_seconds",
      "How long the current iteration has been running; 0 while it polls.",
      labels, [this, clock] {
        return std::chrono::duration<double>(Age(*clock)).count();
      });
}

}  // namespace weir
