#include "proxy/config/suggest.h"

#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"

namespace weir {
namespace {

TEST(EditDistance, CountsEdits) {
  EXPECT_EQ(EditDistance("", ""), 0);
  EXPECT_EQ(EditDistance("idle", "idle"), 0);
  EXPECT_EQ(EditDistance("", "idle"), 4);
  EXPECT_EQ(EditDistance("idle", ""), 4);
  EXPECT_EQ(EditDistance("conect", "connect"), 1);
  EXPECT_EQ(EditDistance("connnect", "connect"), 1);
  EXPECT_EQ(EditDistance("konnect", "connect"), 1);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3);
}

TEST(EditDistance, CountsASwapOnce) {
  EXPECT_EQ(EditDistance("idel", "idle"), 1);
  EXPECT_EQ(EditDistance("dile", "idle"), 1);
}

TEST(Suggest, FindsTheNearest) {
  const std::vector<std::string_view> words = {"connect", "idle", "life",
                                               "halfclose"};
  EXPECT_EQ(Suggest("conect", words), "connect");
  EXPECT_EQ(Suggest("CONNECT", words), "connect");
  EXPECT_EQ(Suggest("lief", words), "life");
  EXPECT_EQ(Suggest("lifetime", words), "life");
  EXPECT_EQ(Suggest("half", words), "halfclose");
  EXPECT_EQ(Suggest("half_close", words), "halfclose");
}

TEST(Suggest, IsSilentWhenNothingIsNear) {
  const std::vector<std::string_view> words = {"connect", "idle", "up"};
  EXPECT_EQ(Suggest("", words), "");
  EXPECT_EQ(Suggest("zzzz", words), "");
  EXPECT_EQ(Suggest("i", words), "");
  EXPECT_EQ(Suggest("upstream", words), "");  // two letters begin too much
  EXPECT_EQ(Suggest(std::string(1000000, 'c'), words), "");
}

TEST(DidYouMean, MakesASentence) {
  const std::vector<std::string_view> words = {"idle"};
  EXPECT_EQ(DidYouMean("idel", words), "; did you mean 'idle'?");
  EXPECT_EQ(DidYouMean("zzzz", words), "");
}

}  // namespace
}  // namespace weir
