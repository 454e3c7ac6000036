#include "metrics/registry_json.h"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "metrics/histogram.h"
#include "metrics/lag_histogram.h"
#include "metrics/registry.h"
#include "nlohmann/json.hpp"

namespace weir {
namespace {

using Json = nlohmann::ordered_json;

TEST(RegistryJsonTest, HasEveryFamilyInItsOrder) {
  Registry registry;
  registry.AddGauge("z_gauge", "Help.", {}, [] { return 1.5; });
  registry.AddCounter("a_total", "Help.", {{"forward", "pg"}, {"side", "up"}},
                      [] { return 3.0; });
  registry.AddCounter("a_total", "Help.", {{"forward", "web"}, {"side", "up"}},
                      [] { return 4.0; });
  EXPECT_EQ(
      DumpJson(MetricsJson(registry.Collect())),
      R"({"z_gauge":{"type":"gauge","series":[{"labels":{},"value":1.5}]},)"
      R"("a_total":{"type":"counter","series":[)"
      R"({"labels":{"forward":"pg","side":"up"},"value":3},)"
      R"({"labels":{"forward":"web","side":"up"},"value":4}]}})");
}

TEST(RegistryJsonTest, BucketsAreCumulativeAndEndWithInfinity) {
  static constexpr int64_t kBounds[] = {1'000'000, 5'000'000};
  Registry registry;
  registry.AddHistogram("h_seconds", "Help.", {{"reactor", "0"}}, [] {
    return HistogramSample{
        .bounds = kBounds, .counts = {1, 2, 3}, .sum_seconds = 0.25};
  });
  EXPECT_EQ(DumpJson(MetricsJson(registry.Collect())),
            R"({"h_seconds":{"type":"histogram","series":[)"
            R"({"labels":{"reactor":"0"},"count":6,"sum":0.25,)"
            R"("buckets":[[0.001,1],[0.005,3],["+Inf",6]]}]}})");
}

TEST(RegistryJsonTest, ALagHistogramIsOneToo) {
  LagHistogram lag;
  Registry registry;
  registry.AddLagHistogram("lag_seconds", "Help.", {},
                           [&lag] { return lag.Read([] { return 0; }); });
  const Json family = MetricsJson(registry.Collect())["lag_seconds"];
  EXPECT_EQ(family["type"], "histogram");
  EXPECT_EQ(family["series"][0]["buckets"].size(),
            LagHistogram::kBounds.size() + 1);
}

TEST(RegistryJsonTest, NeverThrows) {
  Registry registry;
  const std::vector<double> odd = {std::numeric_limits<double>::quiet_NaN(),
                                   std::numeric_limits<double>::infinity(),
                                   -std::numeric_limits<double>::infinity(),
                                   std::numeric_limits<double>::max(),
                                   std::numeric_limits<double>::denorm_min(),
                                   -0.0,
                                   1e300,
                                   18446744073709551615.0};
  for (size_t i = 0; i < odd.size(); ++i) {
    registry.AddGauge("odd", "Help.", {{"i", std::to_string(i)}},
                      [value = odd[i]] { return value; });
  }
  registry.AddGauge("text", "Help.", {{"label", "a\xff\xc3\"\\\n\x01"}},
                    [] { return 1.0; });
  const Json json = Json::parse(DumpJson(MetricsJson(registry.Collect())));
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(json["odd"]["series"][i]["value"].is_null()) << i;
  }
  for (size_t i = 3; i < odd.size(); ++i) {
    EXPECT_EQ(json["odd"]["series"][i]["value"].get<double>(), odd[i]) << i;
  }
  EXPECT_EQ(json["text"]["series"][0]["labels"]["label"],
            "a\xef\xbf\xbd\xef\xbf\xbd\"\\\n\x01");
}

}  // namespace
}  // namespace weir
