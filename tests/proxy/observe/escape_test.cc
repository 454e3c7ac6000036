#include "proxy/observe/escape.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace weir {
namespace {

std::string Escaped(std::string_view text) {
  std::string out;
  AppendEscaped(text, &out);
  return out;
}

TEST(EscapeTest, PrintableTextStays) {
  EXPECT_EQ(Escaped("pg#17 open 127.0.0.1:50212 -> db1:5432"),
            "pg#17 open 127.0.0.1:50212 -> db1:5432");
  EXPECT_EQ(Escaped("Größe 東京 🙂"), "Größe 東京 🙂");
  EXPECT_EQ(Escaped(""), "");
}

TEST(EscapeTest, ControlsAreWrittenOut) {
  EXPECT_EQ(Escaped("a\nb\r\t\x1b[31m\x7f"), "a\\x0ab\\x0d\\x09\\x1b[31m\\x7f");
  EXPECT_EQ(Escaped(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(Escaped("\xc2\x9b"), "\\xc2\\x9b");  // C1: CSI
}

TEST(EscapeTest, ABackslashIsNoEscape) {
  EXPECT_EQ(Escaped("\\x0a"), "\\\\x0a");
}

TEST(EscapeTest, WhatReordersOrBreaksALineIsWrittenOut) {
  EXPECT_EQ(Escaped("\u202e"), "\\xe2\\x80\\xae");  // right-to-left override
  EXPECT_EQ(Escaped("\u2028"), "\\xe2\\x80\\xa8");  // line separator
  EXPECT_EQ(Escaped("\u2066"), "\\xe2\\x81\\xa6");  // isolate
  EXPECT_EQ(Escaped("\u2027\u202f"), "\u2027\u202f");
}

TEST(EscapeTest, MalformedUtf8IsWrittenOut) {
  EXPECT_EQ(Escaped("\x80"), "\\x80");                    // no lead
  EXPECT_EQ(Escaped("\xc3"), "\\xc3");                    // cut short
  EXPECT_EQ(Escaped("\xc3(x"), "\\xc3(x");                // no continuation
  EXPECT_EQ(Escaped("\xc0\xaf"), "\\xc0\\xaf");           // overlong
  EXPECT_EQ(Escaped("\xe0\x80\x8a"), "\\xe0\\x80\\x8a");  // overlong line end
  EXPECT_EQ(Escaped("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // surrogate
  EXPECT_EQ(Escaped("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // too large
  EXPECT_EQ(Escaped("\xff"), "\\xff");
}

TEST(EscapeTest, EveryByteGivesOneLineOfKnownLength) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string text = {static_cast<char>(first),
                                static_cast<char>(second)};
      const std::string escaped = Escaped(text);
      EXPECT_LE(escaped.size(), 4 * text.size());
      for (const char c : escaped) {
        EXPECT_FALSE(static_cast<unsigned char>(c) < 0x20 || c == 0x7f);
      }
    }
  }
}

}  // namespace
}  // namespace weir
