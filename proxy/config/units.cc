#include "proxy/config/units.h"

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "proxy/config/spec_text.h"
#include "reactor/clock.h"

namespace weir {
namespace {

struct Unit {
  std::string_view name;
  int64_t factor;
};

constexpr Unit kTimes[] = {{"ms", 1'000'000},
                           {"s", 1'000'000'000},
                           {"m", 60'000'000'000},
                           {"h", 3'600'000'000'000}};
constexpr Unit kSizes[] = {{"KiB", int64_t{1} << 10},
                           {"MiB", int64_t{1} << 20},
                           {"GiB", int64_t{1} << 30}};

// How many digits `text` starts with.
size_t CountDigits(std::string_view text) {
  size_t count = 0;
  while (count < text.size() && absl::ascii_isdigit(text[count])) ++count;
  return count;
}

// The number that `digits` writes, at most `cap` (which stays exact).
int64_t SaturatingNumber(std::string_view digits, int64_t cap) {
  int64_t number = 0;
  for (const char c : digits) {
    if (number > (cap - (c - '0')) / 10) return cap;
    number = number * 10 + (c - '0');
  }
  return number;
}

absl::Status Wrong(size_t offset, size_t* error_offset,
                   const std::string& message) {
  if (error_offset != nullptr) *error_offset = offset;
  return absl::InvalidArgumentError(message);
}

}  // namespace

absl::StatusOr<Duration> ParseDuration(std::string_view text,
                                       size_t* error_offset) {
  if (text.substr(0, 1) == "-") {
    return Wrong(0, error_offset, "a time cannot be negative");
  }
  const size_t whole_digits = CountDigits(text);
  if (whole_digits == 0) {
    return Wrong(0, error_offset,
                 absl::StrCat(Quote(text), " is not a time, such as 5s"));
  }
  size_t end = whole_digits;
  std::string_view fraction;
  if (end < text.size() && text[end] == '.') {
    fraction = text.substr(end + 1, CountDigits(text.substr(end + 1)));
    if (fraction.empty()) {
      return Wrong(end, error_offset, "digits are missing after the point");
    }
    end += 1 + fraction.size();
  }
  const std::string_view unit_name = text.substr(end);
  if (unit_name.empty()) {
    if (text == "0") return Duration::zero();
    return Wrong(end, error_offset,
                 absl::StrCat("a time needs a unit (ms, s, m or h): ",
                              std::string(text), "s"));
  }
  const Unit* unit = nullptr;
  for (const Unit& candidate : kTimes) {
    if (candidate.name == unit_name) unit = &candidate;
  }
  if (unit == nullptr) {
    return Wrong(end, error_offset,
                 absl::StrCat(Quote(unit_name),
                              " is not a unit of time: ms, s, m or h"));
  }
  const int64_t most = kLongestDuration.count() / unit->factor;
  const int64_t whole =
      SaturatingNumber(text.substr(0, whole_digits), most + 1);
  // Nine digits reach the nanosecond of every unit but h, where the rest is
  // below a microsecond.
  double part = 0;
  double scale = 1;
  for (const char c : fraction.substr(0, 9)) {
    scale /= 10;
    part += (c - '0') * scale;
  }
  if (whole <= most) {
    const Duration total(
        whole * unit->factor +
        std::llround(part * static_cast<double>(unit->factor)));
    if (total <= kLongestDuration) return total;
  }
  return Wrong(0, error_offset,
               absl::StrCat(std::string(text), " is too long: the most is ",
                            FormatDuration(kLongestDuration)));
}

std::string FormatDuration(Duration duration) {
  if (duration == kForever) return "off";
  const auto ms =
      std::chrono::round<std::chrono::milliseconds>(duration).count();
  const int64_t second = 1'000;
  const int64_t minute = 60'000;
  const int64_t hour = 3'600'000;
  if (ms != 0 && ms % hour == 0) return absl::StrCat(ms / hour, "h");
  if (ms != 0 && ms % minute == 0) return absl::StrCat(ms / minute, "m");
  if (ms % second == 0) return absl::StrCat(ms / second, "s");
  if (ms < second) return absl::StrCat(ms, "ms");
  std::string fraction = absl::StrCat(second + ms % second).substr(1);
  while (fraction.back() == '0') fraction.pop_back();
  return absl::StrCat(ms / second, ".", fraction, "s");
}

absl::StatusOr<int64_t> ParseSize(std::string_view text, size_t* error_offset) {
  if (text.substr(0, 1) == "-") {
    return Wrong(0, error_offset, "a size cannot be negative");
  }
  const size_t digits = CountDigits(text);
  if (digits == 0) {
    return Wrong(0, error_offset,
                 absl::StrCat(Quote(text), " is not a size, such as 64MiB"));
  }
  const std::string_view unit_name = text.substr(digits);
  int64_t factor = unit_name.empty() ? 1 : 0;
  for (const Unit& candidate : kSizes) {
    if (candidate.name == unit_name) factor = candidate.factor;
  }
  if (factor == 0) {
    return Wrong(digits, error_offset,
                 absl::StrCat(Quote(unit_name),
                              " is not a unit of size: KiB, MiB or GiB"));
  }
  const int64_t most = std::numeric_limits<int64_t>::max() / factor;
  // One below the largest, so that "too big" can be told from it.
  const int64_t number = SaturatingNumber(text.substr(0, digits), most);
  if (number >= most) {
    return Wrong(0, error_offset,
                 absl::StrCat(std::string(text), " is too big"));
  }
  return number * factor;
}

std::string FormatSize(int64_t bytes) {
  const Unit* largest = nullptr;
  for (const Unit& unit : kSizes) {
    if (bytes != 0 && bytes % unit.factor == 0) largest = &unit;
  }
  return largest == nullptr ? absl::StrCat(bytes)
                            : absl::StrCat(bytes / largest->factor,
                                           std::string(largest->name));
}

}  // namespace weir
