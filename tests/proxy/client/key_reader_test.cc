#include "proxy/client/key_reader.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace weir {
namespace {

using Kind = Key::Kind;

std::vector<Kind> KindsOf(const std::string& bytes) {
  std::vector<Kind> kinds;
  for (const Key& key : KeyReader().Take(bytes)) kinds.push_back(key.kind);
  return kinds;
}

TEST(KeyReader, ReadsText) {
  const std::vector<Key> keys = KeyReader().Take("q ~");
  ASSERT_EQ(keys.size(), 3u);
  EXPECT_EQ(keys[0].text, 'q');
  EXPECT_EQ(keys[1].text, ' ');
  EXPECT_EQ(keys[2].text, '~');
}

TEST(KeyReader, KnowsKeysOfAllTerminals) {
  EXPECT_EQ(KindsOf("\x1b[A\x1bOA"), (std::vector{Kind::kUp, Kind::kUp}));
  EXPECT_EQ(KindsOf("\x1b[B\x1bOB"), (std::vector{Kind::kDown, Kind::kDown}));
  EXPECT_EQ(KindsOf("\x1b[5~\x1b[6~"),
            (std::vector{Kind::kPageUp, Kind::kPageDown}));
  EXPECT_EQ(KindsOf("\x1b[H\x1b[1~\x1bOF\x1b[4~"),
            (std::vector{Kind::kHome, Kind::kHome, Kind::kEnd, Kind::kEnd}));
  EXPECT_EQ(KindsOf("\r\n"), (std::vector{Kind::kEnter, Kind::kEnter}));
  EXPECT_EQ(KindsOf("\x7f\b"),
            (std::vector{Kind::kBackspace, Kind::kBackspace}));
  EXPECT_EQ(KindsOf("\x03\x1a"),
            (std::vector{Kind::kInterrupt, Kind::kSuspend}));
}

TEST(KeyReader, AnEscapeAloneIsAKey) {
  EXPECT_EQ(KindsOf("\x1b"), (std::vector{Kind::kEscape}));
  EXPECT_EQ(KindsOf("\x1bq"), (std::vector{Kind::kEscape, Kind::kText}));
}

TEST(KeyReader, ASequenceMayComeInPieces) {
  KeyReader reader;
  EXPECT_TRUE(reader.Take("\x1b[").empty());
  const std::vector<Key> keys = reader.Take("5~q");
  ASSERT_EQ(keys.size(), 2u);
  EXPECT_EQ(keys[0].kind, Kind::kPageUp);
  EXPECT_EQ(keys[1].text, 'q');
}

TEST(KeyReader, LeavesOutWhatItDoesNotKnow) {
  // Shift-F5, a mouse report, a control, UTF-8.
  EXPECT_TRUE(KindsOf("\x1b[15;2~\x1b[<0;3;4M\x01\xC3\xA4").empty());
  // What never ends is no sequence, and does not swallow the keys behind it.
  EXPECT_EQ(KindsOf("\x1b[" + std::string(40, '0') + "q").back(), Kind::kText);
}

}  // namespace
}  // namespace weir
