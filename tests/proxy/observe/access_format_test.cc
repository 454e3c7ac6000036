#include "proxy/observe/access_log/access_format.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "proxy/observe/access_log/access_record.h"
#include "proxy/observe/close_reason.h"

namespace weir {
namespace {

using nlohmann::json;
using std::chrono::microseconds;
using std::chrono::nanoseconds;

// 2026-11-26T07:05:09.000123456Z
constexpr int64_t kTime = 1'795'676'709'000'123'456;

AccessRecord Full() {
  return {.event = AccessEvent::kClose,
          .wall_nanos = kTime,
          .forward = "pg",
          .connection = 17,
          .reactor = 1,
          .client = "127.0.0.1:50212",
          .target = "db1:5432",
          .upstream = "10.0.0.5:5432",
          .duration = microseconds(3'410'001),
          .connect = microseconds(812),
          .first_byte = nanoseconds(1'999'999),
          .bytes_up = 18'446'744'073'709'551'615u,
          .bytes_down = 0,
          .client_retransmits = 0,
          .upstream_retransmits = 4'294'967'295,
          .reason = CloseReason::kUpstreamFin};
}

std::string Text(AccessFormat format, const AccessRecord& record) {
  std::string line;
  AppendAccessLine(format, record, &line);
  return line;
}

// A line of logfmt as its keys and raw values, quoted ones read as JSON's
// strings.
std::map<std::string, std::string> ParseLogfmt(std::string_view line) {
  std::map<std::string, std::string> fields;
  EXPECT_EQ(line.back(), '\n');
  line.remove_suffix(1);
  while (!line.empty()) {
    const size_t equals = line.find('=');
    const std::string key(line.substr(0, equals));
    line.remove_prefix(equals + 1);
    size_t end = 0;
    if (line.front() == '"') {
      for (end = 1; line[end] != '"'; ++end) end += line[end] == '\\' ? 1 : 0;
      ++end;
      fields[key] = json::parse(line.substr(0, end)).get<std::string>();
    } else {
      end = std::min(line.find(' '), line.size());
      fields[key] = std::string(line.substr(0, end));
      EXPECT_EQ(fields[key].find_first_of("\"\\="), std::string::npos);
    }
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return fields;
}

TEST(AccessFormatTest, Json) {
  EXPECT_EQ(Text(AccessFormat::kJson, Full()),
            R"({"time":"2026-11-26T07:05:09.000123Z","event":"close",)"
            R"("forward":"pg","connection":17,"reactor":1,)"
            R"("client":"127.0.0.1:50212","target":"db1:5432",)"
            R"("upstream":"10.0.0.5:5432","duration":3.410001,)"
            R"("connect":0.000812,"first_byte":0.001999,)"
            R"("bytes_up":18446744073709551615,"bytes_down":0,)"
            R"("client_retransmits":0,"upstream_retransmits":4294967295,)"
            R"("reason":"upstream_fin"})"
            "\n");
}

TEST(AccessFormatTest, Logfmt) {
  EXPECT_EQ(Text(AccessFormat::kLogfmt, Full()),
            "time=2026-11-26T07:05:09.000123Z event=close forward=pg "
            "connection=17 reactor=1 client=127.0.0.1:50212 target=db1:5432 "
            "upstream=10.0.0.5:5432 duration=3.410001 connect=0.000812 "
            "first_byte=0.001999 bytes_up=18446744073709551615 bytes_down=0 "
            "client_retransmits=0 upstream_retransmits=4294967295 "
            "reason=upstream_fin\n");
}

TEST(AccessFormatTest, WhatIsAbsentIsLeftOut) {
  AccessRecord record{.event = AccessEvent::kUpdate,
                      .forward = "a b",
                      .client = "unix:",
                      .target = "k=v"};
  EXPECT_EQ(Text(AccessFormat::kJson, record),
            R"({"time":"1970-01-01T00:00:00.000000Z","event":"update",)"
            R"("forward":"a b","connection":0,"reactor":0,"client":"unix:",)"
            R"("target":"k=v","duration":0.000000,"bytes_up":0,)"
            R"("bytes_down":0})"
            "\n");
  record.event = AccessEvent::kOpen;
  EXPECT_EQ(Text(AccessFormat::kLogfmt, record),
            "time=1970-01-01T00:00:00.000000Z event=open forward=\"a b\" "
            "connection=0 reactor=0 client=unix: target=\"k=v\" "
            "duration=0.000000 bytes_up=0 bytes_down=0\n");
}

TEST(AccessFormatTest, LinesAreAppended) {
  std::string lines = "before\n";
  AppendAccessLine(AccessFormat::kLogfmt, Full(), &lines);
  AppendAccessLine(AccessFormat::kLogfmt, Full(), &lines);
  const std::string one = Text(AccessFormat::kLogfmt, Full());
  EXPECT_EQ(lines, "before\n" + one + one);
}

TEST(AccessFormatTest, TimesOfAllAges) {
  const std::pair<int64_t, const char*> times[] = {
      {-1, "1969-12-31T23:59:59.999999Z"},
      {951'782'400'000'000'000, "2000-02-29T00:00:00.000000Z"},
      {1'735'689'599'999'999'999, "2024-12-31T23:59:59.999999Z"},
      {INT64_MAX, "2262-04-11T23:47:16.854775Z"},
      {INT64_MIN, "1677-09-21T00:12:43.145224Z"},
  };
  for (const auto& [nanos, text] : times) {
    AccessRecord record = Full();
    record.wall_nanos = nanos;
    EXPECT_EQ(json::parse(Text(AccessFormat::kJson, record))["time"], text);
  }
}

TEST(AccessFormatTest, DurationsOfAllLengths) {
  const std::pair<Duration, const char*> durations[] = {
      {nanoseconds(-5), " duration=0.000000 "},
      {nanoseconds(999), " duration=0.000000 "},
      {microseconds(10'000'001), " duration=10.000001 "},
      {Duration::max(), " duration=9223372036.854775 "},
  };
  for (const auto& [duration, text] : durations) {
    AccessRecord record = Full();
    record.duration = duration;
    EXPECT_NE(Text(AccessFormat::kLogfmt, record).find(text), std::string::npos)
        << text;
  }
}

std::string Repeated(std::string_view text, size_t bytes) {
  std::string all;
  while (all.size() < bytes) all += text;
  return all;
}

// All texts are this; what comes out is a line in any case.
void ExpectOneLine(AccessFormat format, const std::string& text) {
  AccessRecord record = Full();
  record.forward = record.client = record.target = record.upstream = text;
  record.connection = record.bytes_up = record.bytes_down = UINT64_MAX;
  record.reactor = SIZE_MAX;
  record.duration = Duration::max();
  record.connect = record.first_byte = Duration::max();
  record.client_retransmits = record.upstream_retransmits = UINT32_MAX;
  record.reason = CloseReason::kConnectUnreachable;
  const std::string line = Text(format, record);
  EXPECT_LE(line.size(), kMaxAccessLine);
  EXPECT_TRUE(std::all_of(line.begin(), line.end() - 1, [](char c) {
    return c >= ' ' && c <= '~';
  })) << line;
  EXPECT_EQ(line.back(), '\n');
  for (const char* key : {"forward", "client", "target", "upstream"}) {
    std::string value;
    if (format == AccessFormat::kJson) {
      value = json::parse(line)[key].get<std::string>();
    } else {
      value = ParseLogfmt(line)[key];
    }
    // A valid text of common length is the one that was given.
    const std::string given =
        json::parse(
            json(text).dump(-1, ' ', true, json::error_handler_t::replace))
            .get<std::string>();
    if (text.size() <= 320) {
      EXPECT_EQ(value, given);
    } else {
      ASSERT_GE(value.size(), 3u);
      EXPECT_EQ(value.substr(value.size() - 3), "...");
      EXPECT_EQ(given.rfind(value.substr(0, value.size() - 3), 0), 0u);
    }
  }
}

TEST(AccessFormatTest, HostileTexts) {
  const std::string texts[] = {
      "\"",
      "\\",
      "a\\\"b",
      "\",\"reason\":\"x",
      "x\" reason=\"y",
      "two\nlines\r\n",
      std::string("nul\0nul", 7),
      "\x1b[2J\x7f",
      "\u0085\u009b",               // controls of Latin-1
      "\u202e\u2066\u2028",         // what turns a line around or ends it
      "gr\u00fc\u00df \U0001f600",  // well-formed
      "\xff\xfe",
      "\x80",
      "\xc0\xaf",          // too long a form
      "\xed\xa0\x80",      // a surrogate
      "\xf4\x90\x80\x80",  // beyond Unicode
      "\xe2\x82",          // cut off
      std::string(320, '"'),
      std::string(320, '\n'),
      std::string(321, 'a'),
      std::string(100'000, 'a'),
      std::string(100'000, '"'),
      std::string(100'000, '\n'),
      std::string(100'000, '\xff'),
      std::string(100'000, '\x80'),
      Repeated("\u20ac", 100'000),
      Repeated("a\u20ac", 100'000),
      "a" + Repeated("\U0001f600", 100'000),
  };
  for (const std::string& text : texts) {
    SCOPED_TRACE(testing::PrintToString(text.substr(0, 40)));
    ExpectOneLine(AccessFormat::kJson, text);
    ExpectOneLine(AccessFormat::kLogfmt, text);
  }
}

TEST(AccessFormatTest, EachByteWhereverItStands) {
  for (int byte = 0; byte < 256; ++byte) {
    SCOPED_TRACE(byte);
    for (const char* around : {"", "a", " ", "\u20ac"}) {
      const std::string text =
          around + std::string(1, static_cast<char>(byte)) + around;
      ExpectOneLine(AccessFormat::kJson, text);
      ExpectOneLine(AccessFormat::kLogfmt, text);
    }
  }
}

}  // namespace
}  // namespace weir
