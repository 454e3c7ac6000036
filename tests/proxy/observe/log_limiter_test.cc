#include "proxy/observe/log_limiter.h"

#include <chrono>
#include <optional>

#include "gtest/gtest.h"
#include "reactor/clock.h"

namespace weir {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(LogLimiterTest, OneInEachIntervalAndTellsTheRest) {
  LogLimiter limiter(seconds(1));
  const MonoTime start{seconds(100)};
  EXPECT_EQ(limiter.Allow(start), std::optional<uint64_t>(0));
  EXPECT_EQ(limiter.Allow(start), std::nullopt);
  EXPECT_EQ(limiter.Allow(start + milliseconds(999)), std::nullopt);
  EXPECT_EQ(limiter.Allow(start + milliseconds(1000)),
            std::optional<uint64_t>(2));
  EXPECT_EQ(limiter.Allow(start + milliseconds(1001)), std::nullopt);
  EXPECT_EQ(limiter.Allow(start + seconds(60)), std::optional<uint64_t>(1));
  EXPECT_EQ(limiter.Allow(start + seconds(120)), std::optional<uint64_t>(0));
}

TEST(LogLimiterTest, TheFirstMayComeAtTimeZero) {
  LogLimiter limiter(seconds(1));
  EXPECT_EQ(limiter.Allow(MonoTime{}), std::optional<uint64_t>(0));
  EXPECT_EQ(limiter.Allow(MonoTime{}), std::nullopt);
}

}  // namespace
}  // namespace weir
