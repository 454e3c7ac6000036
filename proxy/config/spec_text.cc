#include "proxy/config/spec_text.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace weir {
namespace {

bool IsContinuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

// The length of the well-formed, printable UTF-8 character that `text` starts
// with; 0 when there is none.
size_t PrintableLength(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return first >= 0x20 && first != 0x7F ? 1 : 0;
  const size_t length = first >= 0xF0   ? 4
                        : first >= 0xE0 ? 3
                        : first >= 0xC2 ? 2
                                        : 0;
  if (length == 0 || first > 0xF4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (!IsContinuation(text[i])) return 0;
  }
  // U+0080 to U+009F are control characters too.
  const auto second = static_cast<unsigned char>(text[1]);
  return first == 0xC2 && second < 0xA0 ? 0 : length;
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string shown;
  for (size_t i = 0; i < text.size();) {
    const size_t length = PrintableLength(text.substr(i));
    shown += length == 0 ? "?" : text.substr(i, length);
    i += std::max<size_t>(length, 1);
  }
  return shown;
}

std::string Quote(std::string_view text) { return "'" + Printable(text) + "'"; }

absl::Status SpecText::Error(std::string_view spot,
                             std::string_view message) const {
  const std::string before = Printable(Before(spot));
  const auto column = std::count_if(before.begin(), before.end(),
                                    [](char c) { return !IsContinuation(c); });
  return absl::InvalidArgumentError(
      Printable(message) + "\n  " + Printable(text_) + "\n  " +
      std::string(static_cast<size_t>(column), ' ') + "^");
}

std::string_view SpecText::Before(std::string_view to) const {
  return text_.substr(0, static_cast<size_t>(to.data() - text_.data()));
}

std::string_view SpecText::After(std::string_view from) const {
  return text_.substr(static_cast<size_t>(from.data() - text_.data()));
}

}  // namespace weir
