#include "proxy/observe/admin_status.h"

#include <chrono>
#include <string>
#include <utility>

#include "metrics/registry_json.h"

namespace weir {
namespace {

using Json = nlohmann::ordered_json;

Json ObjectOf(const NamedValues& values) {
  Json object = Json::object();
  for (const auto& [name, value] : values) object[name] = value;
  return object;
}

Json ForwardJson(const ForwardFacts& forward) {
  return {{"name", forward.name},
          {"spec", forward.spec},
          {"listen", forward.listen},
          {"target", forward.target}};
}

Json AccessLogJson(const AccessLogStatus& log) {
  return {{"file", log.file},
          {"up", log.up},
          {"state", log.state},
          {"lines", log.lines},
          {"dropped", log.dropped}};
}

}  // namespace

Json JsonSeconds(Duration duration) {
  return JsonNumber(std::chrono::duration<double>(duration).count());
}

Json JsonWallTime(Clock* clock) {
  return JsonSeconds(Duration(clock->WallNanos()));
}

Json StatusJson(const ProcessFacts& facts, Health::Phase phase,
                bool stall_injection,
                const std::function<AccessLogStatus()>& access_log,
                const Registry& registry, Clock* clock) {
  Json forwards = Json::array();
  for (const ForwardFacts& forward : facts.forwards) {
    forwards.push_back(ForwardJson(forward));
  }
  return {{"version", facts.version},
          {"pid", facts.pid},
          {"uptime_seconds", JsonSeconds(clock->Now() - facts.created_at)},
          {"phase", std::string(PhaseName(phase))},
          {"time_seconds", JsonWallTime(clock)},
          {"poller", facts.poller},
          {"max_connections", facts.max_connections},
          {"drain_timeout_seconds", JsonSeconds(facts.drain_timeout)},
          {"stall_injection", stall_injection},
          {"forwards", std::move(forwards)},
          {"access_log",
           access_log == nullptr ? Json() : AccessLogJson(access_log())},
          {"metrics", MetricsJson(registry.Collect())}};
}

Json ConfigJson(const ProcessFacts& facts) {
  Json forwards = Json::array();
  for (const ForwardFacts& forward : facts.forwards) {
    Json json = ForwardJson(forward);
    json["keys"] = ObjectOf(forward.keys);
    forwards.push_back(std::move(json));
  }
  return {{"version", facts.version},
          {"flags", ObjectOf(facts.flags)},
          {"forwards", std::move(forwards)}};
}

}  // namespace weir
