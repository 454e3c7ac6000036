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

void ForwardMetrics::Register(Clock* clock, Registry* registry) const {
  for (size_t i = 0; i < labels_.size() * reactors_; ++i) {
    const Labels& labels = labels_[i / reactors_];
    RegisterConnections(labels, shards_[i], registry);
    RegisterTraffic(labels, shards_[i], clock, registry);
    RegisterUpstream(labels, shards_[i], registry);
  }
  for (size_t i = 0; i < labels_.size(); ++i) {
    registry->AddGauge(
        "weir_upstream_up",
        "0 after its name or all of its addresses failed, else 1.",
        {{"forward", labels_[i].forward}, {"upstream", labels_[i].upstream}},
        [this, i] { return UpstreamUp(i) ? 1.0 : 0.0; });
  }
}

bool ForwardMetrics::UpstreamUp(size_t forward) const {
  int64_t up = 0;
  int64_t down = 0;
  for (size_t i = 0; i < reactors_; ++i) {
    const ForwardShard& shard = Shard(forward, i);
    up = std::max(up, shard.upstream_up_at.Value());
    down = std::max(down, shard.upstream_down_at.Value());
  }
  return up >= down;
}

void ForwardMetrics::RegisterConnections(const Labels& labels,
                                         const ForwardShard& shard,
                                         Registry* registry) {
  const std::string& forward = labels.forward;
  registry->AddCounter("weir_connections_accepted_total",
                       "Connections that clients made.", {{"forward", forward}},
                       &shard.accepted);
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
  for (size_t r = 0; r < kRejectReasonNames.size(); ++r) {
    registry->AddCounter("weir_connections_rejected_total",
                         "Connections that were turned away, by the reason.",
                         With(forward, "reason", kRejectReasonNames[r]),
                         &shard.rejected[r]);
  }
  registry->AddHistogram("weir_connection_duration_seconds",
                         "How long connections that ended were open.",
                         {{"forward", forward}},
                         [&shard] { return shard.duration.Read(); });
  registry->AddHistogram(
      "weir_first_byte_seconds",
      "From accepting a connection to the first byte of its upstream.",
      {{"forward", forward}}, [&shard] { return shard.first_byte.Read(); });
}

void ForwardMetrics::RegisterTraffic(const Labels& labels,
                                     const ForwardShard& shard, Clock* clock,
                                     Registry* registry) {
  for (size_t s = 0; s < kSideNames.size(); ++s) {
    const MetricLabels side = With(labels.forward, "side", kSideNames[s]);
    registry->AddCounter("weir_received_bytes_total",
                         "Payload received from this side.", side,
                         &shard.received[s]);
    registry->AddCounter("weir_sent_bytes_total", "Payload sent to this side.",
                         side, &shard.sent[s]);
    registry->AddCounter(
        "weir_discarded_bytes_total",
        "Payload received from this side that could not be sent on.", side,
        &shard.discarded[s]);
    registry->AddCounter(
        "weir_backpressure_pauses_total",
        "How often reading from this side paused, because the other one did "
        "not take what it had sent.",
        side, &shard.pauses[s]);
    registry->AddCounter(
        "weir_backpressure_seconds_total",
        "For how long connections paused reading from this side, because the "
        "other one did not take what it had sent.",
        side, [occupancy = &shard.paused[s], clock] {
          return 1e-9 * occupancy->Nanos([clock] {
            return clock->Now().time_since_epoch().count();
          });
        });
  }
}

void ForwardMetrics::RegisterUpstream(const Labels& labels,
                                      const ForwardShard& shard,
                                      Registry* registry) {
  for (size_t r = 0; r < kConnectResultNames.size(); ++r) {
    registry->AddCounter(
        "weir_upstream_connects_total",
        "Attempts to connect to an upstream, by how they ended.",
        {{"forward", labels.forward},
         {"upstream", labels.upstream},
         {"result", std::string(kConnectResultNames[r])}},
        &shard.connects[r]);
  }
  registry->AddHistogram(
      "weir_upstream_connect_seconds",
      "From the first attempt to connect until an upstream answered.",
      {{"forward", labels.forward}},
      [&shard] { return shard.connect_time.Read(); });
  // A forward has one upstream so far, and in these stages a connection to it.
  for (const Stage stage : {Stage::kRelaying, Stage::kAborting}) {
    registry->AddGauge(
        "weir_upstream_connections", "Connections that have this upstream.",
        {{"forward", labels.forward}, {"upstream", labels.upstream}},
        &shard.active[Index(stage)]);
  }
}

}  // namespace weir
