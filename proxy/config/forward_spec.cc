#include "proxy/config/forward_spec.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "proxy/config/forward_conflicts.h"
#include "proxy/config/forward_parser.h"
#include "proxy/config/forwards_file.h"
#include "proxy/config/spec_text.h"

namespace weir {

absl::StatusOr<ForwardSpec> ParseForward(std::string_view text) {
  const std::string whole(text);
  absl::StatusOr<std::vector<ForwardSpec>> forwards =
      ParseForwards(absl::MakeConstSpan(&whole, 1));
  if (!forwards.ok()) return forwards.status();
  return std::move(forwards->front());
}

absl::StatusOr<std::vector<ForwardSpec>> ParseForwards(
    absl::Span<const std::string> texts, const ForwardsFile* file) {
  std::vector<ParsedForward> parsed;
  for (const std::string& text : texts) {
    absl::StatusOr<ParsedForward> forward = ParseOneForward(text);
    if (!forward.ok()) return forward.status();
    parsed.push_back(*std::move(forward));
  }
  if (file != nullptr) {
    absl::StatusOr<std::vector<ParsedForward>> more = ParseForwardsFile(*file);
    if (!more.ok()) return more.status();
    std::move(more->begin(), more->end(), std::back_inserter(parsed));
    if (parsed.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(Printable(file->name),
                       ": there is no forward in it; a line is one, such as "
                       "5432=db:5432"));
    }
  }
  const absl::Status status = CheckConflicts(parsed);
  if (!status.ok()) return status;
  std::vector<ForwardSpec> forwards;
  for (ParsedForward& forward : parsed) {
    forwards.push_back(std::move(forward.spec));
  }
  return forwards;
}

}  // namespace weir
