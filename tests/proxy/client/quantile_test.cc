#include "proxy/client/quantile.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gtest/gtest.h"

namespace weir {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

// Bounds 0.1, 1, 10 and infinity.
Buckets Of(std::vector<double> counts) {
  return {{0.1, 1, 10, kInf}, std::move(counts)};
}

TEST(Quantile, IsLinearWithinItsBucket) {
  const Buckets buckets = Of({90, 100, 100, 100});
  EXPECT_DOUBLE_EQ(*Quantile(buckets, 0.9), 0.1);
  EXPECT_DOUBLE_EQ(*Quantile(buckets, 0.45), 0.05) << "from 0 on";
  EXPECT_DOUBLE_EQ(*Quantile(buckets, 0.95), 0.55);
  EXPECT_DOUBLE_EQ(*Quantile(buckets, 1), 1);
}

// As histogram_quantile() of Prometheus does for these.
TEST(Quantile, AtTheEnds) {
  EXPECT_FALSE(Quantile({}, 0.5).has_value());
  EXPECT_FALSE(Quantile(Of({0, 0, 0, 0}), 0.5).has_value());
  EXPECT_DOUBLE_EQ(*Quantile(Of({0, 0, 0, 5}), 0.5), 10)
      << "beyond: the highest finite bound";
  EXPECT_DOUBLE_EQ(*Quantile(Of({4, 4, 4, 4}), 0), 0);
  EXPECT_DOUBLE_EQ(*Quantile({{kInf}, {5}}, 0.5), 0) << "no bound at all";
  EXPECT_DOUBLE_EQ(*Quantile(Of({0, 0, 10, 10}), 0.5), 5.5)
      << "empty buckets below";
}

TEST(Worst, IsTheUpperBoundOfTheHighestBucketInUse) {
  EXPECT_FALSE(Worst({}).has_value());
  EXPECT_FALSE(Worst(Of({0, 0, 0, 0})).has_value());
  EXPECT_DOUBLE_EQ(*Worst(Of({5, 5, 5, 5})), 0.1);
  EXPECT_DOUBLE_EQ(*Worst(Of({5, 5, 6, 6})), 10);
  EXPECT_TRUE(std::isinf(*Worst(Of({5, 5, 6, 7}))));
}

TEST(Difference, IsWhatCameBetween) {
  const Buckets window =
      Difference(Of({1000, 1001, 1001, 1001}), Of({1500, 1501, 1502, 1502}));
  EXPECT_EQ(window.counts, (std::vector<double>{500, 500, 501, 501}));
  EXPECT_DOUBLE_EQ(*Worst(window), 10) << "the old one is not in it";
}

TEST(Difference, OfAnotherProcessIsAllOfIt) {
  const Buckets after = Of({1, 2, 2, 2});
  EXPECT_EQ(Difference({}, after).counts, after.counts);
  EXPECT_EQ(Difference(Of({5, 5, 5, 5}), after).counts, after.counts);
  EXPECT_EQ(Difference({{1, kInf}, {0, 0}}, after).counts, after.counts);
}

// Counts read one by one may be torn; they never fall.
TEST(Difference, StaysCumulative) {
  EXPECT_EQ(Difference(Of({0, 0, 0, 0}), Of({5, 4, 6, 6})).counts,
            (std::vector<double>{5, 5, 6, 6}));
}

}  // namespace
}  // namespace weir
