#include "proxy/config/units.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "reactor/clock.h"

namespace weir {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(ParseDuration, ReadsEveryUnit) {
  EXPECT_EQ(*ParseDuration("250ms"), milliseconds(250));
  EXPECT_EQ(*ParseDuration("5s"), seconds(5));
  EXPECT_EQ(*ParseDuration("10m"), minutes(10));
  EXPECT_EQ(*ParseDuration("2h"), hours(2));
  EXPECT_EQ(*ParseDuration("0"), Duration::zero());
  EXPECT_EQ(*ParseDuration("0s"), Duration::zero());
  EXPECT_EQ(*ParseDuration("007s"), seconds(7));
}

TEST(ParseDuration, ReadsDecimals) {
  EXPECT_EQ(*ParseDuration("1.5s"), milliseconds(1500));
  EXPECT_EQ(*ParseDuration("0.1s"), milliseconds(100));
  EXPECT_EQ(*ParseDuration("0.25m"), seconds(15));
  EXPECT_EQ(*ParseDuration("1.001ms"), microseconds(1001));
  EXPECT_EQ(*ParseDuration("0.3333333333333333333333333333h"),
            Duration(1'199'999'998'800));
}

TEST(ParseDuration, EndsAtAYear) {
  EXPECT_EQ(*ParseDuration("8760h"), kLongestDuration);
  EXPECT_EQ(*ParseDuration("525600m"), kLongestDuration);
  for (const char* text :
       {"8760.000000001h", "8761h", "525600.1m", "99999999999999999999ms",
        "9223372036854775807h", "18446744073709551617s"}) {
    EXPECT_EQ(ParseDuration(text).status().code(),
              absl::StatusCode::kInvalidArgument)
        << text;
  }
}

// The offset is where the caret goes.
TEST(ParseDuration, SaysWhere) {
  size_t offset = 99;
  EXPECT_EQ(std::string(ParseDuration("12", &offset).status().message()),
            "a time needs a unit (ms, s, m or h): 12s");
  EXPECT_EQ(offset, 2u);
  EXPECT_EQ(std::string(ParseDuration("1.5x", &offset).status().message()),
            "'x' is not a unit of time: ms, s, m or h");
  EXPECT_EQ(offset, 3u);
  EXPECT_EQ(std::string(ParseDuration("1.", &offset).status().message()),
            "digits are missing after the point");
  EXPECT_EQ(offset, 1u);
  EXPECT_EQ(std::string(ParseDuration("", &offset).status().message()),
            "'' is not a time, such as 5s");
  EXPECT_EQ(offset, 0u);
  EXPECT_FALSE(ParseDuration("+5s").ok());
  EXPECT_FALSE(ParseDuration("-5s").ok());
  EXPECT_FALSE(ParseDuration(" 5s").ok());
  EXPECT_FALSE(ParseDuration("5s ").ok());
  EXPECT_FALSE(ParseDuration("off").ok());
}

TEST(FormatDuration, IsShortAndExact) {
  EXPECT_EQ(FormatDuration(Duration::zero()), "0s");
  EXPECT_EQ(FormatDuration(milliseconds(1)), "1ms");
  EXPECT_EQ(FormatDuration(milliseconds(999)), "999ms");
  EXPECT_EQ(FormatDuration(seconds(25)), "25s");
  EXPECT_EQ(FormatDuration(milliseconds(1500)), "1.5s");
  EXPECT_EQ(FormatDuration(milliseconds(61001)), "61.001s");
  EXPECT_EQ(FormatDuration(seconds(60)), "1m");
  EXPECT_EQ(FormatDuration(seconds(90)), "90s");
  EXPECT_EQ(FormatDuration(seconds(600)), "10m");
  EXPECT_EQ(FormatDuration(hours(8760)), "8760h");
  EXPECT_EQ(FormatDuration(kForever), "off");
}

TEST(FormatDuration, IsReadBack) {
  for (const int64_t ms : {1, 10, 999, 1000, 1001, 59999, 60000, 3600000}) {
    const Duration duration = milliseconds(ms);
    EXPECT_EQ(*ParseDuration(FormatDuration(duration)), duration) << ms;
  }
}

TEST(ParseSize, ReadsEveryUnit) {
  EXPECT_EQ(*ParseSize("0"), 0);
  EXPECT_EQ(*ParseSize("4096"), 4096);
  EXPECT_EQ(*ParseSize("64KiB"), 65536);
  EXPECT_EQ(*ParseSize("3MiB"), 3 << 20);
  EXPECT_EQ(*ParseSize("2GiB"), int64_t{2} << 30);
}

TEST(FormatSize, IsShortAndExact) {
  EXPECT_EQ(FormatSize(0), "0");
  EXPECT_EQ(FormatSize(1000), "1000");
  EXPECT_EQ(FormatSize(1024), "1KiB");
  EXPECT_EQ(FormatSize(1536 << 10), "1536KiB");
  EXPECT_EQ(FormatSize(4 << 20), "4MiB");
  EXPECT_EQ(FormatSize(int64_t{2} << 30), "2GiB");
}

TEST(ParseSize, RefusesOthers) {
  size_t offset = 99;
  EXPECT_EQ(std::string(ParseSize("64MB", &offset).status().message()),
            "'MB' is not a unit of size: KiB, MiB or GiB");
  EXPECT_EQ(offset, 2u);
  EXPECT_EQ(
      std::string(ParseSize("9999999999999GiB", &offset).status().message()),
      "9999999999999GiB is too big");
  EXPECT_EQ(offset, 0u);
  EXPECT_EQ(std::string(ParseSize("-1").status().message()),
            "a size cannot be negative");
  EXPECT_EQ(std::string(ParseSize("").status().message()),
            "'' is not a size, such as 64MiB");
  EXPECT_FALSE(ParseSize("1.5MiB").ok());
  EXPECT_FALSE(ParseSize("18446744073709551617").ok());
}

}  // namespace
}  // namespace weir
