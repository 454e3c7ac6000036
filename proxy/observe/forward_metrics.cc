#include "proxy/observe/forward_metrics.h"

namespace weir {
namespace {

MetricLabels With(const std::string& forward, const char* name,
                  std::string_view value) {
  return {{"forward", forward}, {name, std::string(value)}};
}

}  // namespace

ForwardMetrics::ForwardMetrics(const std::vector<ForwardSpec>& forwards,
                               size_t reactors)
    : reactors_(reactors),
      shards_(new ForwardShard[forwards.size() * reactors]) {
  for (const ForwardSpec& forward : forwards) {
    labels_.push_back({forward.name, forward.target.text});
  }
}

void ForwardMetrics::Register(Registry* registry) const {
  for (size_t i = 0; i < labels_.size() * reactors_; ++i) {
    const auto& [forward, upstream] = labels_[i / reactors_];
    const ForwardShard& shard = shards_[i];
    registry->AddCounter("weir_connections_accepted_total",
                         "Connections that clients made.",
                         {{"forward", forward}}, &shard.accepted);
    for (size_t s = 0; s < kStageNames.size(); ++s) {
      registry->AddGauge("weir_connections_active",
                         "Connections that are open, by what they do.",
                         With(forward, "state", kStageNames[s]),
                         &shard.active[s]);
    }
    for (size_t r = 0; r < kCloseReasons; ++r) {
      registry->AddCounter("weir_connections_closed_total",
                           "Connections that ended, by the reason.",
                           With(forward, "reason", kCloseReasonNames[r]),
                           &shard.closed[r]);
    }
    for (size_t s = 0; s < kSideNames.size(); ++s) {
      registry->AddCounter(
          "weir_received_bytes_total", "Payload received from this side.",
          With(forward, "side", kSideNames[s]), &shard.received[s]);
      registry->AddCounter(
          "weir_sent_bytes_total", "Payload sent to this side.",
          With(forward, "side", kSideNames[s]), &shard.sent[s]);
      registry->AddCounter(
          "weir_discarded_bytes_total",
          "Payload received from this side that could not be sent on.",
          With(forward, "side", kSideNames[s]), &shard.discarded[s]);
    }
    for (size_t r = 0; r < kConnectResultNames.size(); ++r) {
      registry->AddCounter(
          "weir_upstream_connects_total",
          "Attempts to connect to an upstream, by how they ended.",
          {{"forward", forward},
           {"upstream", upstream},
           {"result", std::string(kConnectResultNames[r])}},
          &shard.connects[r]);
    }
  }
}

}  // namespace weir
