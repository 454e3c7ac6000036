#include "proxy/client/table.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace weir {
namespace {

using Align = Table::Align;
using Lines = std::vector<std::string>;

TEST(Table, StandsInColumns) {
  Table table({{"name", Align::kLeft}, {"n"}, {"what", Align::kLeft}});
  table.Add({"a", "1", "x"});
  table.Add({"longer", "100", ""});
  table.Add({"b"});
  EXPECT_EQ(table.Lines(),
            (Lines{"name      n  what", "a         1  x", "longer  100", "b"}));
}

TEST(Table, CountsCharactersAndCutsLongOnes) {
  Table table({{"name", Align::kLeft, 8}, {"n"}});
  table.Add({"\xC3\xA4\xC3\xB6", "1"});
  table.Add({"123456789", "22"});
  EXPECT_EQ(table.Lines(), (Lines{"name       n", "\xC3\xA4\xC3\xB6         1",
                                  "12345...  22"}));
}

TEST(Table, MovesNoCursor) {
  Table table({{"name", Align::kLeft}});
  table.Add({"\x1b[2J\n"});
  EXPECT_EQ(table.Lines()[1], "\\x1b[2J\\x0a");
}

TEST(CutToWidth, KeepsWholeCharacters) {
  EXPECT_EQ(CutToWidth("abc", 3), "abc");
  EXPECT_EQ(CutToWidth("abcdefgh", 7), "abcd...");
  EXPECT_EQ(CutToWidth("abcd", 3), "abc") << "no room for dots";
  EXPECT_EQ(CutToWidth("\xC3\xA4\xC3\xB6\xC3\xBC", 2), "\xC3\xA4\xC3\xB6");
  EXPECT_EQ(CutToWidth("abc", 0), "");
}

}  // namespace
}  // namespace weir
