#include "proxy/observe/log_format.h"

#include <stdlib.h>
#include <time.h>

#include <string>

#include "gtest/gtest.h"
#include "proxy/observe/log_ring.h"

namespace weir {
namespace {

constexpr int64_t kMilli = 1'000'000;
constexpr int64_t kSecond = 1'000 * kMilli;

class LogFormatTest : public testing::Test {
 protected:
  LogFormatTest() {
    setenv("TZ", "EET-2", 1);  // two hours before Greenwich's clock
    tzset();
  }

  std::string Format(int64_t wall_nanos, const std::string& text) {
    std::string line;
    formatter_.Append({wall_nanos, text}, &line);
    return line;
  }

  LogFormatter formatter_;
};

TEST_F(LogFormatTest, LocalTimeWithMilliseconds) {
  const int64_t noon = 12 * 3600 * kSecond;
  EXPECT_EQ(Format(noon + 3 * 60 * kSecond + 7 * kSecond + 112 * kMilli, "x"),
            "14:03:07.112 x\n");
}

TEST_F(LogFormatTest, TheCachedSecondMovesOn) {
  EXPECT_EQ(Format(0, "a"), "02:00:00.000 a\n");
  EXPECT_EQ(Format(999 * kMilli + 999'999, "b"), "02:00:00.999 b\n");
  EXPECT_EQ(Format(kSecond, "c"), "02:00:01.000 c\n");
  EXPECT_EQ(Format(0, "d"), "02:00:00.000 d\n");
}

TEST_F(LogFormatTest, BeforeTheEpoch) {
  EXPECT_EQ(Format(-1, "x"), "01:59:59.999 x\n");
}

TEST_F(LogFormatTest, WithoutTimeAndEscaped) {
  EXPECT_EQ(Format(LogRecord::kNoTime, "a\nb"), "a\\x0ab\n");
}

}  // namespace
}  // namespace weir
