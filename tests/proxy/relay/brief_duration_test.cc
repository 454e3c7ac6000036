#include "proxy/relay/brief_duration.h"

#include <chrono>
#include <cstdint>

#include "gtest/gtest.h"
#include "reactor/clock.h"

namespace weir {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

TEST(BriefDurationTest, IsNoneUntilItIsSet) {
  EXPECT_EQ(sizeof(BriefDuration), sizeof(uint32_t));
  EXPECT_FALSE(BriefDuration().value().has_value());
  BriefDuration set(nanoseconds(0));
  EXPECT_EQ(set.value(), nanoseconds(0));
}

TEST(BriefDurationTest, KeepsMicrosecondsThenMilliseconds) {
  constexpr int64_t kLast = (int64_t{1} << 31) - 1;
  EXPECT_EQ(BriefDuration(nanoseconds(-1)).value(), nanoseconds(0));
  EXPECT_EQ(BriefDuration(nanoseconds(1'999)).value(), microseconds(1));
  EXPECT_EQ(BriefDuration(microseconds(kLast)).value(), microseconds(kLast));
  EXPECT_EQ(BriefDuration(microseconds(kLast + 1)).value(),
            milliseconds((kLast + 1) / 1000));
  EXPECT_EQ(BriefDuration(hours(24)).value(), hours(24));
  EXPECT_EQ(BriefDuration(hours(100'000)).value(), milliseconds(kLast - 1));
  EXPECT_EQ(BriefDuration(Duration::max()).value(), milliseconds(kLast - 1));
}

}  // namespace
}  // namespace weir
