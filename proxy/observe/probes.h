// Public. What a scraper and a supervisor ask: /metrics, /startup, /ready and
// /live.

#ifndef PROXY_OBSERVE_PROBES_H_
#define PROXY_OBSERVE_PROBES_H_

#include <chrono>
#include <vector>

#include "metrics/http_server.h"
#include "metrics/registry.h"
#include "proxy/observe/admin_sources.h"
#include "proxy/observe/health.h"

namespace weir {

// An iteration that runs for this long is taken for dead (/live is 503).
inline constexpr std::chrono::seconds kDeadAfter{30};

// Before the server starts. All that is given outlives its thread.
void AddProbes(const Registry* registry, const Health* health,
               std::vector<LoopSource> loops, HttpServer* server);

}  // namespace weir

#endif  // PROXY_OBSERVE_PROBES_H_
