#include "metrics/http_query.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace weir {
namespace {

constexpr size_t kLongestQuote = 40;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Nothing where a '%' is not followed by two hexadecimal digits.
std::optional<std::string> Decode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded.push_back(text[i] == '+' ? ' ' : text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = HexDigit(text[i + 1]);
    const int low = HexDigit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    decoded.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return decoded;
}

}  // namespace

std::string QuoteParameter(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text.substr(0, kLongestQuote)) {
    quoted.push_back(absl::ascii_isprint(static_cast<unsigned char>(c)) ? c
                                                                        : '?');
  }
  return quoted + (text.size() > kLongestQuote ? "...\"" : "\"");
}

absl::StatusOr<HttpQuery> HttpQuery::Parse(
    std::string_view text, absl::Span<const std::string_view> known) {
  HttpQuery query;
  while (!text.empty()) {
    const size_t end = std::min(text.find('&'), text.size());
    const std::string_view item = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (item.empty()) continue;
    const size_t equals = std::min(item.find('='), item.size());
    const std::optional<std::string> name = Decode(item.substr(0, equals));
    const std::optional<std::string> value =
        Decode(item.substr(std::min(equals + 1, item.size())));
    if (!name.has_value() || !value.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "bad escape in ", QuoteParameter(item), ": % takes two hex digits"));
    }
    if (std::find(known.begin(), known.end(), *name) == known.end()) {
      std::vector<std::string> names(known.begin(), known.end());
      return absl::InvalidArgumentError(absl::StrCat(
          "unknown parameter ", QuoteParameter(*name),
          names.empty()
              ? "; there is none here"
              : absl::StrCat("; there are ", absl::StrJoin(names, ", "))));
    }
    if (!query.parameters_.emplace(*name, *value).second) {
      return absl::InvalidArgumentError(absl::StrCat(*name, " is given twice"));
    }
  }
  return query;
}

std::optional<std::string> HttpQuery::Get(std::string_view name) const {
  const auto found = parameters_.find(name);
  if (found == parameters_.end()) return std::nullopt;
  return found->second;
}

absl::StatusOr<int64_t> HttpQuery::Number(
    std::string_view name, int64_t least, int64_t most,
    std::optional<int64_t> otherwise) const {
  const std::optional<std::string> text = Get(name);
  if (!text.has_value() && otherwise.has_value()) return *otherwise;
  int64_t number = 0;
  // (SimpleAtoi also takes spaces and a plus sign.)
  if (text.has_value() && !text->empty() &&
      std::all_of(text->begin(), text->end(), absl::ascii_isdigit) &&
      absl::SimpleAtoi(*text, &number) && number >= least && number <= most) {
    return number;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      std::string(name), " must be a number from ", least, " to ", most,
      text.has_value() ? absl::StrCat(", not ", QuoteParameter(*text)) : ""));
}

}  // namespace weir
