#include "metrics/http_query.h"

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace weir {
namespace {

using testing::HasSubstr;

HttpQuery Parsed(std::string_view text) {
  const absl::StatusOr<HttpQuery> query =
      HttpQuery::Parse(text, {"a", "b c", "n"});
  EXPECT_TRUE(query.ok()) << query.status();
  return *query;
}

std::string ErrorOf(std::string_view text) {
  const absl::Status status = HttpQuery::Parse(text, {"a", "n"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(status.message());
}

TEST(HttpQueryTest, DecodesNamesAndValues) {
  const HttpQuery query = Parsed("a=1%20+2%3D&b%20c=x=y");
  EXPECT_EQ(query.Get("a"), "1  2=");
  EXPECT_EQ(query.Get("b c"), "x=y");
  EXPECT_EQ(query.Get("n"), std::nullopt);
  EXPECT_EQ(Parsed("a").Get("a"), "");
  EXPECT_EQ(Parsed("a=").Get("a"), "");
  EXPECT_EQ(Parsed("&&a=%00&").Get("a"), std::string(1, '\0'));
  EXPECT_EQ(Parsed("").Get("a"), std::nullopt);
}

TEST(HttpQueryTest, SaysWhatIsWrong) {
  for (const std::string_view text : {"a=%", "a=%1", "a=%zz", "%g0=1"}) {
    EXPECT_THAT(ErrorOf(text), HasSubstr("bad escape")) << text;
  }
  EXPECT_EQ(ErrorOf("m=1"), "unknown parameter \"m\"; there are a, n");
  EXPECT_EQ(ErrorOf("=1"), "unknown parameter \"\"; there are a, n");
  EXPECT_EQ(ErrorOf("a=1&a=1"), "a is given twice");
  // Nothing of it reaches a terminal or a header as it is.
  EXPECT_THAT(ErrorOf("%0d%0a%1b[31m" + std::string(1000, 'x')),
              testing::AllOf(HasSubstr("\"???[31m"),
                             testing::SizeIs(testing::Lt(100u))));
}

TEST(HttpQueryTest, NumbersAreWholeAndBounded) {
  EXPECT_EQ(*Parsed("n=0").Number("n", 0, 9), 0);
  EXPECT_EQ(*Parsed("n=9").Number("n", 0, 9), 9);
  EXPECT_EQ(*Parsed("").Number("n", 0, 9, 5), 5);
  for (const std::string_view text :
       {"", "n=", "n=10", "n=-1", "n=+1", "n=%2B1", "n=1.5", "n=0x1", "n=%201",
        "n=99999999999999999999", "n=1%00"}) {
    EXPECT_THAT(std::string(Parsed(text).Number("n", 0, 9).status().message()),
                HasSubstr("n must be a number from 0 to 9"))
        << text;
  }
  // What is given is checked although it may be absent.
  EXPECT_FALSE(Parsed("n=x").Number("n", 0, 9, 5).ok());
}

}  // namespace
}  // namespace weir
