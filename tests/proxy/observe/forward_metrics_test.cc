#include "proxy/observe/forward_metrics.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "metrics/registry.h"
#include "prometheus/metric_family.h"
#include "proxy/config/forward_spec.h"
#include "proxy/observe/worker_metrics.h"
#include "tests/support/manual_clock.h"

namespace weir {
namespace {

using std::chrono::seconds;
using testing::UnorderedElementsAre;

std::vector<ForwardSpec> Two() {
  std::vector<ForwardSpec> forwards(2);
  forwards[0].name = "a";
  forwards[0].target.text = "db:5432";
  forwards[1].name = "b";
  forwards[1].target.text = "web:80";
  return forwards;
}

class ForwardMetricsTest : public testing::Test {
 protected:
  ForwardMetricsTest() { metrics_.Register(&clock_, &registry_); }

  std::vector<prometheus::ClientMetric> Children(const std::string& name) {
    for (const prometheus::MetricFamily& family : registry_.Collect()) {
      if (family.name == name) return family.metric;
    }
    ADD_FAILURE() << "no " << name;
    return {};
  }

  // The values of one label of a family.
  std::set<std::string> Labels(const std::string& name,
                               const std::string& label) {
    std::set<std::string> values;
    for (const auto& child : Children(name)) {
      for (const auto& pair : child.label) {
        if (pair.name == label) values.insert(pair.value);
      }
    }
    return values;
  }

  double Up(const std::string& forward) {
    for (const auto& child : Children("weir_upstream_up")) {
      if (child.label[0].value == forward) return child.gauge.value;
    }
    return -1;
  }

  MonoTime At(int second) { return MonoTime(seconds(second)); }

  ManualClock clock_;
  ForwardMetrics metrics_{Two(), 2};
  Registry registry_;
};

TEST_F(ForwardMetricsTest, AllChildrenAreThereAtZero) {
  const std::map<std::string, size_t> children = {
      {"weir_connections_accepted_total", 1},
      {"weir_connections_active", 5},
      {"weir_connections_closed_total", 20},
      {"weir_connections_rejected_total", 3},
      {"weir_connection_duration_seconds", 1},
      {"weir_first_byte_seconds", 1},
      {"weir_received_bytes_total", 2},
      {"weir_sent_bytes_total", 2},
      {"weir_discarded_bytes_total", 2},
      {"weir_backpressure_pauses_total", 2},
      {"weir_backpressure_seconds_total", 2},
      {"weir_upstream_connects_total", 6},
      {"weir_upstream_connect_seconds", 1},
      {"weir_upstream_connections", 1},
      {"weir_upstream_up", 1},
  };
  const auto families = registry_.Collect();
  EXPECT_EQ(families.size(), children.size());
  for (const prometheus::MetricFamily& family : families) {
    const auto expected = children.find(family.name);
    ASSERT_NE(expected, children.end()) << family.name;
    EXPECT_EQ(family.metric.size(), 2 * expected->second) << family.name;
    for (const auto& child : family.metric) {
      EXPECT_EQ(child.counter.value + child.histogram.sample_sum, 0);
      EXPECT_EQ(child.gauge.value, family.name == "weir_upstream_up" ? 1 : 0);
    }
  }
}

TEST_F(ForwardMetricsTest, ClosedSets) {
  EXPECT_THAT(
      Labels("weir_connections_closed_total", "reason"),
      UnorderedElementsAre(
          "client_fin", "upstream_fin", "client_reset", "upstream_reset",
          "client_lost", "upstream_lost", "connect_refused", "connect_timeout",
          "connect_unreachable", "dns_failed", "no_upstream", "idle_timeout",
          "half_close_timeout", "lifetime", "resources", "killed", "drain_idle",
          "drain_forced", "fault", "internal"));
  EXPECT_THAT(Labels("weir_connections_rejected_total", "reason"),
              UnorderedElementsAre("limit", "denied", "proxy_header"));
  EXPECT_THAT(Labels("weir_connections_active", "state"),
              UnorderedElementsAre("preface", "waiting", "connecting",
                                   "relaying", "aborting"));
  EXPECT_THAT(Labels("weir_upstream_up", "upstream"),
              UnorderedElementsAre("db:5432", "web:80"));
  EXPECT_EQ(CloseReasonName(CloseReason::kNoUpstream), "no_upstream");
  EXPECT_EQ(CloseReasonName(CloseReason::kKilled), "killed");
  EXPECT_EQ(CloseReasonName(CloseReason::kDrainForced), "drain_forced");
  EXPECT_EQ(CloseReasonName(CloseReason::kInternal), "internal");
}

TEST_F(ForwardMetricsTest, BucketsAreEvenOnALogarithmicScale) {
  const auto check = [](std::span<const int64_t> bounds, int64_t first,
                        int64_t last) {
    EXPECT_EQ(bounds.front(), first);
    EXPECT_EQ(bounds.back(), last);
    for (size_t i = 1; i < bounds.size(); ++i) {
      EXPECT_GE(2 * bounds[i], 5 * bounds[i - 1]) << bounds[i];
      EXPECT_LE(bounds[i], 4 * bounds[i - 1]) << bounds[i];
    }
  };
  check(kAnswerBounds, 500'000, 10'000'000'000);
  check(kLifeBounds, 10'000'000, 86'400'000'000'000);
}

TEST_F(ForwardMetricsTest, AnEndHasAReasonAndADuration) {
  metrics_.Shard(0, 0).Closed(CloseReason::kKilled, seconds(2));
  metrics_.Shard(0, 1).Closed(CloseReason::kKilled, seconds(40));
  const auto children = Children("weir_connection_duration_seconds");
  EXPECT_EQ(children[0].histogram.sample_count, 2u);
  EXPECT_EQ(children[0].histogram.sample_sum, 42);
  EXPECT_EQ(children[1].histogram.sample_count, 0u);
}

TEST_F(ForwardMetricsTest, APauseCountsWhileItLasts) {
  metrics_.Shard(1, 0).paused[Index(Side::kUpstream)].Enter(
      clock_.Now().time_since_epoch().count());
  clock_.Advance(seconds(3));
  const auto children = Children("weir_backpressure_seconds_total");
  EXPECT_EQ(children[3].label[0].value, "b");
  EXPECT_EQ(children[3].label[1].value, "upstream");
  EXPECT_EQ(children[3].counter.value, 3);
}

// Each reactor sees a part of what happens; the latest word counts.
TEST_F(ForwardMetricsTest, TheLatestWordOnAnUpstreamCounts) {
  metrics_.Shard(0, 0).UpstreamUp(At(10));
  metrics_.Shard(0, 1).UpstreamDown(At(11));
  EXPECT_EQ(Up("a"), 0);
  EXPECT_EQ(Up("b"), 1);
  metrics_.Shard(0, 0).UpstreamUp(At(12));
  EXPECT_EQ(Up("a"), 1);
  // An old word of another reactor, that was told late.
  metrics_.Shard(0, 1).UpstreamDown(At(11));
  EXPECT_EQ(Up("a"), 1);
  // In one round, where the clock stands.
  metrics_.Shard(0, 0).UpstreamDown(At(12));
  EXPECT_EQ(Up("a"), 0);
  metrics_.Shard(0, 0).UpstreamUp(At(12));
  EXPECT_EQ(Up("a"), 1);
}

TEST_F(ForwardMetricsTest, WorkersHaveTheirReactor) {
  WorkerMetrics workers[2];
  workers[0].Register("0", &registry_);
  workers[1].Register("1", &registry_);
  workers[1].relayed[Index(RelayPath::kSplice)].Add(7);
  workers[1].connections.Add(3);
  workers[1].handoff.Observe(300'000);
  EXPECT_THAT(Labels("weir_relayed_bytes_total", "path"),
              UnorderedElementsAre("copy", "splice"));
  EXPECT_EQ(Children("weir_relayed_bytes_total")[3].counter.value, 7);
  EXPECT_EQ(Children("weir_reactor_connections")[1].gauge.value, 3);
  const auto handoff = Children("weir_reactor_handoff_seconds");
  EXPECT_EQ(handoff[0].histogram.sample_count, 0u);
  EXPECT_EQ(handoff[1].histogram.bucket[1].cumulative_count, 0u);
  EXPECT_EQ(handoff[1].histogram.bucket[2].cumulative_count, 1u);
  EXPECT_EQ(handoff[1].histogram.bucket[2].upper_bound, 0.0005);
}

}  // namespace
}  // namespace weir
