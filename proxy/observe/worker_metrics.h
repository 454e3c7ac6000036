// Public. What the worker of one reactor counts, whatever the forward.

#ifndef PROXY_OBSERVE_WORKER_METRICS_H_
#define PROXY_OBSERVE_WORKER_METRICS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "metrics/histogram.h"
#include "metrics/instrument.h"
#include "metrics/lag_histogram.h"
#include "metrics/registry.h"

namespace weir {

// How bytes go from one socket to the other.
enum class RelayPath : uint8_t { kCopy, kSplice };
inline constexpr std::array<std::string_view, 2> kRelayPathNames = {"copy",
                                                                    "splice"};

// One a reactor, written by it alone, read by any thread.
struct alignas(kCacheLine) WorkerMetrics {
  // Bytes sent on, by RelayPath.
  std::array<Counter, kRelayPathNames.size()> relayed;
  Gauge connections;
  // From the accepting loop's hand-off of a connection until this loop took it
  // up. What a loop accepts for itself is none.
  Histogram<LagHistogram::kBounds> handoff;

  // Names the families with the label reactor=`reactor`. This outlives the
  // registry's last scrape.
  void Register(const std::string& reactor, Registry* registry) const {
    for (size_t i = 0; i < relayed.size(); ++i) {
      registry->AddCounter(
          "weir_relayed_bytes_total", "Payload sent on, by how it was moved.",
          {{"reactor", reactor}, {"path", std::string(kRelayPathNames[i])}},
          &relayed[i]);
    }
    registry->AddGauge("weir_reactor_connections",
                       "Connections that this loop serves.",
                       {{"reactor", reactor}}, &connections);
    registry->AddHistogram(
        "weir_reactor_handoff_seconds",
        "From accepting a connection on another loop until this one took it "
        "up.",
        {{"reactor", reactor}}, [this] { return handoff.Read(); });
  }
};

}  // namespace weir

#endif  // PROXY_OBSERVE_WORKER_METRICS_H_
