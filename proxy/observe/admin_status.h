// Internal to observe. GET /status and /config.

#ifndef PROXY_OBSERVE_ADMIN_STATUS_H_
#define PROXY_OBSERVE_ADMIN_STATUS_H_

#include <functional>

#include "metrics/registry.h"
#include "nlohmann/json.hpp"
#include "proxy/observe/access_log/access_log_status.h"
#include "proxy/observe/admin_sources.h"
#include "proxy/observe/health.h"
#include "reactor/clock.h"

namespace weir {

// What the process is, its phase, its forwards, its access log (null: none),
// and every metric.
nlohmann::ordered_json StatusJson(
    const ProcessFacts& facts, Health::Phase phase, bool stall_injection,
    const std::function<AccessLogStatus()>& access_log,
    const Registry& registry, Clock* clock);

// What it was told to do.
nlohmann::ordered_json ConfigJson(const ProcessFacts& facts);

// As JSON has it: seconds, and seconds since 1970.
nlohmann::ordered_json JsonSeconds(Duration duration);
nlohmann::ordered_json JsonWallTime(Clock* clock);

}  // namespace weir

#endif  // PROXY_OBSERVE_ADMIN_STATUS_H_
