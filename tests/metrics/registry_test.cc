#include "metrics/registry.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "metrics/histogram.h"
#include "metrics/instrument.h"
#include "metrics/lag_histogram.h"
#include "prometheus/metric_family.h"

namespace weir {
namespace {

using testing::HasSubstr;

TEST(Registry, IsEmptyAtFirst) {
  Registry registry;
  EXPECT_TRUE(registry.Collect().empty());
  EXPECT_EQ(registry.Serialize(), "");
}

TEST(Registry, SumsTheShardsOfAChild) {
  Registry registry;
  Counter shards[3];
  for (Counter& shard : shards) {
    registry.AddCounter("bytes_total", "Bytes.", {{"side", "client"}}, &shard);
  }
  Counter other;
  registry.AddCounter("bytes_total", "Bytes.", {{"side", "upstream"}}, &other);
  shards[0].Add(5);
  shards[2].Add(7);
  other.Add();
  EXPECT_EQ(registry.Serialize(),
            "# HELP bytes_total Bytes.\n"
            "# TYPE bytes_total counter\n"
            "bytes_total{side=\"client\"} 12\n"
            "bytes_total{side=\"upstream\"} 1\n");
}

TEST(Registry, ShardsOfAGaugeMayBeNegative) {
  Registry registry;
  Gauge opened_here, closed_here;
  registry.AddGauge("connections", "Connections.", {}, &opened_here);
  registry.AddGauge("connections", "Connections.", {}, &closed_here);
  registry.AddGauge("connections", "Connections.", {}, [] { return 0.5; });
  opened_here.Add(5);
  closed_here.Set(-3);
  EXPECT_EQ(registry.Collect()[0].metric[0].gauge.value, 2.5);
}

TEST(Registry, ACounterNeverFalls) {
  Registry registry;
  double value = 5;
  registry.AddCounter("seconds_total", "Seconds.", {}, [&] { return value; });
  registry.AddCounter("seconds_total", "Seconds.", {}, [] { return 1.0; });
  EXPECT_EQ(registry.Collect()[0].metric[0].counter.value, 6);
  value = 4.5;
  EXPECT_EQ(registry.Collect()[0].metric[0].counter.value, 6);
  value = 7;
  EXPECT_EQ(registry.Collect()[0].metric[0].counter.value, 8);
}

constexpr std::array<int64_t, 2> kBounds = {5'000'000, 1'000'000'000};

TEST(Registry, SumsTheShardsOfAHistogram) {
  Registry registry;
  Histogram<kBounds> shards[2];
  for (const auto& shard : shards) {
    registry.AddHistogram("wait_seconds", "Wait.", {{"forward", "pg"}},
                          [&shard] { return shard.Read(); });
  }
  shards[0].Observe(-1);
  shards[0].Observe(5'000'000);  // a bound belongs to its bucket
  shards[0].Observe(5'000'001);
  shards[1].Observe(1'000'000'000);
  shards[1].Observe(2'500'000'000);
  EXPECT_EQ(registry.Serialize(),
            "# HELP wait_seconds Wait.\n"
            "# TYPE wait_seconds histogram\n"
            "wait_seconds_count{forward=\"pg\"} 5\n"
            "wait_seconds_sum{forward=\"pg\"} 3.510000001\n"
            "wait_seconds_bucket{forward=\"pg\",le=\"0.005\"} 2\n"
            "wait_seconds_bucket{forward=\"pg\",le=\"1\"} 4\n"
            "wait_seconds_bucket{forward=\"pg\",le=\"+Inf\"} 5\n");
}

TEST(Registry, KeepsTheOrderInWhichThingsWereAdded) {
  Registry registry;
  Counter counter;
  for (const char* name : {"zebra_total", "ant_total", "mole_total"}) {
    for (const char* label : {"9", "1", "5"}) {
      registry.AddCounter(name, "Help.", {{"n", label}}, &counter);
    }
  }
  registry.AddCounter("ant_total", "Help.", {{"n", "0"}}, &counter);
  std::vector<std::string> order;
  for (const auto& family : registry.Collect()) {
    for (const auto& metric : family.metric) {
      order.push_back(family.name + metric.label[0].value);
    }
  }
  EXPECT_THAT(order, testing::ElementsAre(
                         "zebra_total9", "zebra_total1", "zebra_total5",
                         "ant_total9", "ant_total1", "ant_total5", "ant_total0",
                         "mole_total9", "mole_total1", "mole_total5"));
}

TEST(Registry, EscapesWhatALabelMayHold) {
  Registry registry;
  Counter counter;
  registry.AddCounter("odd_total", "Help.", {{"name", "a\"b\\c\nd"}}, &counter);
  EXPECT_THAT(registry.Serialize(),
              HasSubstr("odd_total{name=\"a\\\"b\\\\c\\nd\"} 0\n"));
}

TEST(Registry, ExportsLagAsAPlainHistogram) {
  Registry registry;
  LagHistogram lag;
  int64_t now = 0;
  const auto clock = [&now] { return now; };
  registry.AddLagHistogram("lag_seconds", "Lag.", {{"reactor", "0"}},
                           [&] { return lag.Read(clock); });
  lag.BeginWait(clock);
  now += 7'000'000;
  lag.EndWait(clock);
  now += 3'000'000;
  const std::string text = registry.Serialize();
  EXPECT_THAT(text, HasSubstr("# TYPE lag_seconds histogram\n"));
  EXPECT_THAT(text, HasSubstr("lag_seconds_count{reactor=\"0\"} 10\n"));
  EXPECT_THAT(text,
              HasSubstr("lag_seconds_bucket{reactor=\"0\",le=\"0.001\"} 8\n"));
  EXPECT_THAT(text,
              HasSubstr("lag_seconds_bucket{reactor=\"0\",le=\"0.0025\"} 9\n"));
  EXPECT_THAT(text,
              HasSubstr("lag_seconds_bucket{reactor=\"0\",le=\"0.005\"} 10\n"));
  EXPECT_THAT(text,
              HasSubstr("lag_seconds_bucket{reactor=\"0\",le=\"+Inf\"} 10\n"));
  const auto histogram = registry.Collect()[0].metric[0].histogram;
  EXPECT_EQ(histogram.bucket.size(), LagHistogram::kBuckets);
  EXPECT_DOUBLE_EQ(histogram.sample_sum, 1000 * 0.003 * 0.003 / 2);
}

TEST(Registry, SumsTheLagOfTwoLoops) {
  Registry registry;
  LagHistogram::Snapshot one;
  one.bucket_ns[0] = 5'600'000;
  for (int i = 0; i < 2; ++i) {
    registry.AddLagHistogram("lag_seconds", "Lag.", {}, [&] { return one; });
  }
  EXPECT_EQ(registry.Collect()[0].metric[0].histogram.sample_count, 10u);
}

// A processor may show a boundary some nanoseconds late.
TEST(Registry, LagNeverFalls) {
  Registry registry;
  LagHistogram::Snapshot snapshot;
  snapshot.bucket_ns[0] = 2'000'000;
  snapshot.lag_integral = 2;
  registry.AddLagHistogram("lag_seconds", "Lag.", {}, [&] { return snapshot; });
  registry.Collect();
  snapshot.bucket_ns[0] = 1'999'990;
  snapshot.lag_integral = 1.99;
  const auto histogram = registry.Collect()[0].metric[0].histogram;
  EXPECT_EQ(histogram.sample_count, 2u);
  EXPECT_EQ(histogram.sample_sum, 2000);
}

TEST(RegistryDeathTest, RefusesContradictions) {
  Registry registry;
  Counter counter;
  Gauge gauge;
  registry.AddCounter("a_total", "Help.", {}, &counter);
  EXPECT_DEATH(registry.AddGauge("a_total", "Help.", {}, &gauge), "two types");
  EXPECT_DEATH(registry.AddCounter("a_total", "Other.", {}, &counter),
               "two helps");
  EXPECT_DEATH(registry.AddCounter("1a", "Help.", {}, &counter), "1a");
  EXPECT_DEATH(registry.AddCounter("b_total", "Help.", {{"x-y", ""}}, &counter),
               "x-y");
}

TEST(Instrument, ShardsOfTwoOwnersShareNoCacheLine) {
  struct alignas(kCacheLine) Shard {
    Counter counter;
  };
  EXPECT_EQ(sizeof(Shard) % kCacheLine, 0u);
  EXPECT_EQ(sizeof(LagHistogram) % kCacheLine, 0u);
}

}  // namespace
}  // namespace weir
