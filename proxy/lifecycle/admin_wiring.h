// Internal to proxy/lifecycle. What the admin port is told of the loops and of
// the workers, and how it asks them.

#ifndef PROXY_LIFECYCLE_ADMIN_WIRING_H_
#define PROXY_LIFECYCLE_ADMIN_WIRING_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proxy/config/forward_spec.h"
#include "proxy/config/settings.h"
#include "proxy/lifecycle/listeners.h"
#include "proxy/observe/admin_sources.h"
#include "proxy/relay/worker.h"
#include "reactor/loop_monitor.h"
#include "reactor/reactor.h"

namespace weir {

// What does not change. Flags are read from their registry; element i of
// `bound` is of forward i. The rest of the result is the caller's to fill in.
ProcessFacts FactsOf(const Settings& settings,
                     const std::vector<ForwardSpec>& forwards,
                     const std::vector<BoundForward>& bound);

// `monitor` outlives the result.
LoopSource LoopSourceOf(const std::string& name, const LoopMonitor* monitor);

// `worker` outlives the result; questions are posted to its loop.
WorkerSource WorkerSourceOf(const std::string& name, Worker* worker);

// Posts a stall to one of the workers' loops, or behind the last of them to
// `control`. All outlive the result.
std::function<void(StallOrder)> StallInjector(
    const std::vector<std::unique_ptr<Worker>>* workers, Reactor* control);

}  // namespace weir

#endif  // PROXY_LIFECYCLE_ADMIN_WIRING_H_
