#include "proxy/config/forwards_file.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "proxy/config/forward_parser.h"
#include "proxy/config/spec_text.h"

namespace weir {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kSpace = " \t\r\v\f";
// Twice what the longest forward has, and not a screen full of a file that was
// not meant.
constexpr size_t kLongestLine = 4096;
constexpr size_t kLongestExcerpt = 60;

bool IsSpace(char c) { return kSpace.find(c) != std::string_view::npos; }

std::string_view WithoutComment(std::string_view line) {
  bool in_word = false;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '#' && !in_word) return line.substr(0, i);
    in_word = !IsSpace(line[i]);
  }
  return line;
}

std::string_view Trim(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

absl::Status CheckText(std::string_view line) {
  const size_t zero = line.find('\0');
  if (zero == std::string_view::npos) return absl::OkStatus();
  const size_t start = zero - std::min(zero, kLongestExcerpt);
  const SpecText excerpt(line.substr(start, zero + 1 - start));
  return excerpt.Error(excerpt.text().substr(zero - start),
                       "a zero byte: this is no text in UTF-8");
}

// `text`: what the line has besides its comment.
absl::Status CheckOneForward(std::string_view text) {
  if (text.size() > kLongestLine) {
    const SpecText excerpt(text.substr(0, kLongestExcerpt));
    return excerpt.Error(
        excerpt.text(),
        absl::StrCat("a line of ", text.size(), " bytes: at most ",
                     kLongestLine, " make a forward, and each has its line"));
  }
  const SpecText spec(text);
  if (text[0] == '-') {
    return spec.Error(text,
                      "here are forwards only: a flag stands on the command "
                      "line or in the file of --flagfile=FILE");
  }
  const size_t end = text.find(' ');
  if (end == std::string_view::npos) return absl::OkStatus();
  return spec.Error(text.substr(text.find_first_not_of(' ', end)),
                    "one forward a line, and then a # comment at most; in a "
                    "path a space is written %20");
}

// Adds the forward of this line, if it has one.
absl::Status ParseLine(std::string_view line, const std::string& place,
                       std::vector<ParsedForward>* forwards) {
  absl::Status status = CheckText(line);
  if (!status.ok()) return status;
  std::string text(Trim(WithoutComment(line)));
  if (text.empty()) return absl::OkStatus();
  // A tab takes the caret elsewhere.
  std::replace_if(text.begin(), text.end(), IsSpace, ' ');
  status = CheckOneForward(text);
  if (!status.ok()) return status;
  absl::StatusOr<ParsedForward> forward = ParseOneForward(text);
  if (!forward.ok()) return forward.status();
  forward->spec.place = place;
  forwards->push_back(*std::move(forward));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<ParsedForward>> ParseForwardsFile(
    const ForwardsFile& file) {
  std::vector<ParsedForward> forwards;
  std::string_view rest = file.text;
  if (rest.starts_with(kByteOrderMark)) {
    rest.remove_prefix(kByteOrderMark.size());
  }
  for (int number = 1; !rest.empty(); ++number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string place = absl::StrCat(Printable(file.name), ":", number);
    const absl::Status status =
        ParseLine(rest.substr(0, end), place, &forwards);
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(place, ": ", status.message()));
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return forwards;
}

}  // namespace weir
