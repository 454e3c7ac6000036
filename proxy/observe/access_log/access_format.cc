#include "proxy/observe/access_log/access_format.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <limits>

#include "nlohmann/json.hpp"

namespace weir {
namespace {

// Of a text, before it is escaped. Four of them, each byte six characters long
// (\u00ff), leave the rest of a line its room.
constexpr size_t kMaxText = 320;
constexpr std::string_view kCut = "...";

constexpr size_t kMaxRest = 500;  // keys, numbers, the time: 426 at most
static_assert(4 * (6 * kMaxText + kCut.size()) + kMaxRest <= kMaxAccessLine);

// Cuts a long text, not within a character.
std::string_view Shortened(std::string_view text) {
  if (text.size() <= kMaxText) return text;
  size_t size = kMaxText;
  for (int back = 0; back < 3 && (text[size] & 0xc0) == 0x80; ++back) --size;
  return text.substr(0, size);
}

// What needs no escape, and where it stands alone no quotes either.
bool IsPlain(char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; }
bool IsBare(char c) { return IsPlain(c) && c != ' ' && c != '='; }

void AppendNumber(uint64_t value, std::string* out) {
  char digits[std::numeric_limits<uint64_t>::digits10 + 1];
  const auto end = std::to_chars(std::begin(digits), std::end(digits), value);
  out->append(digits, end.ptr);
}

// With leading zeros.
void AppendDigits(uint64_t value, size_t digits, std::string* out) {
  out->append(digits, '0');
  for (size_t i = 1; i <= digits; ++i, value /= 10) {
    (*out)[out->size() - i] = static_cast<char>('0' + value % 10);
  }
}

// 2026-11-26T07:05:09.000123Z
void AppendTime(int64_t wall_nanos, std::string* out) {
  using std::chrono::floor;
  // In microseconds a day's begin is in range, whatever the time is.
  const std::chrono::sys_time<std::chrono::microseconds> time(
      floor<std::chrono::microseconds>(Duration(wall_nanos)));
  const auto day = floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  AppendDigits(static_cast<uint64_t>(static_cast<int>(date.year())), 4, out);
  out->push_back('-');
  AppendDigits(static_cast<unsigned>(date.month()), 2, out);
  out->push_back('-');
  AppendDigits(static_cast<unsigned>(date.day()), 2, out);
  out->push_back('T');
  AppendDigits(static_cast<uint64_t>(clock.hours().count()), 2, out);
  out->push_back(':');
  AppendDigits(static_cast<uint64_t>(clock.minutes().count()), 2, out);
  out->push_back(':');
  AppendDigits(static_cast<uint64_t>(clock.seconds().count()), 2, out);
  out->push_back('.');
  AppendDigits(static_cast<uint64_t>(clock.subseconds().count()), 6, out);
  out->push_back('Z');
}

// One line, a field after the other.
class Line {
 public:
  Line(AccessFormat format, std::string* out) : format_(format), out_(out) {
    if (json()) out_->push_back('{');
  }

  // Known to be plain and bare.
  void Word(std::string_view key, std::string_view value) {
    Key(key);
    if (json()) out_->push_back('"');
    out_->append(value);
    if (json()) out_->push_back('"');
  }
  void Time(std::string_view key, int64_t wall_nanos) {
    Key(key);
    if (json()) out_->push_back('"');
    AppendTime(wall_nanos, out_);
    if (json()) out_->push_back('"');
  }
  // From elsewhere. Nothing when it is empty.
  void Text(std::string_view key, std::string_view value) {
    if (value.empty()) return;
    Key(key);
    const std::string_view kept = Shortened(value);
    const bool bare = !json() && std::all_of(kept.begin(), kept.end(), IsBare);
    if (!bare) out_->push_back('"');
    if (std::all_of(kept.begin(), kept.end(), IsPlain)) {
      out_->append(kept);
    } else {
      Escaped(kept);
    }
    if (kept.size() < value.size()) out_->append(kCut);
    if (!bare) out_->push_back('"');
  }
  void Number(std::string_view key, uint64_t value) {
    Key(key);
    AppendNumber(value, out_);
  }
  void Number(std::string_view key, std::optional<uint32_t> value) {
    if (value.has_value()) Number(key, uint64_t{*value});
  }
  // Seconds.
  void Seconds(std::string_view key, Duration value) {
    Key(key);
    const auto micros = static_cast<uint64_t>(std::max<int64_t>(
        std::chrono::floor<std::chrono::microseconds>(value).count(), 0));
    AppendNumber(micros / 1'000'000, out_);
    out_->push_back('.');
    AppendDigits(micros % 1'000'000, 6, out_);
  }
  void Seconds(std::string_view key, std::optional<Duration> value) {
    if (value.has_value()) Seconds(key, *value);
  }

  void End() { out_->append(json() ? "}\n" : "\n"); }

 private:
  bool json() const { return format_ == AccessFormat::kJson; }

  void Key(std::string_view key) {
    if (json()) {
      out_->append(first_ ? "\"" : ",\"");
      out_->append(key);
      out_->append("\":");
    } else {
      if (!first_) out_->push_back(' ');
      out_->append(key);
      out_->push_back('=');
    }
    first_ = false;
  }

  // The slow path; logfmt's quoted values are JSON's strings. Only ASCII comes
  // out of it: all that could move a cursor or turn a line around is \uXXXX,
  // what is no UTF-8 is \ufffd.
  void Escaped(std::string_view text) {
    const std::string quoted =
        nlohmann::json(text).dump(-1, ' ', /*ensure_ascii=*/true,
                                  nlohmann::json::error_handler_t::replace);
    out_->append(quoted, 1, quoted.size() - 2);
  }

  const AccessFormat format_;
  std::string* const out_;
  bool first_ = true;
};

}  // namespace

void AppendAccessLine(AccessFormat format, const AccessRecord& record,
                      std::string* out) {
  Line line(format, out);
  line.Time("time", record.wall_nanos);
  line.Word("event", kAccessEventNames[static_cast<size_t>(record.event)]);
  line.Text("forward", record.forward);
  line.Number("connection", record.connection);
  line.Number("reactor", uint64_t{record.reactor});
  line.Text("client", record.client);
  line.Text("target", record.target);
  line.Text("upstream", record.upstream);
  line.Seconds("duration", record.duration);
  line.Seconds("connect", record.connect);
  line.Seconds("first_byte", record.first_byte);
  line.Number("bytes_up", record.bytes_up);
  line.Number("bytes_down", record.bytes_down);
  line.Number("client_retransmits", record.client_retransmits);
  line.Number("upstream_retransmits", record.upstream_retransmits);
  if (record.event == AccessEvent::kClose) {
    line.Word("reason", CloseReasonName(record.reason));
  }
  line.End();
}

}  // namespace weir
