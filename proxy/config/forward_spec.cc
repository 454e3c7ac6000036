#include "proxy/config/forward_spec.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "proxy/config/forward_conflicts.h"
#include "proxy/config/forward_parser.h"

namespace weir {

absl::StatusOr<ForwardSpec> ParseForward(std::string_view text) {
  const std::string whole(text);
  absl::StatusOr<std::vector<ForwardSpec>> forwards =
      ParseForwards(absl::MakeConstSpan(&whole, 1));
  if (!forwards.ok()) return forwards.status();
  return std::move(forwards->front());
}

absl::StatusOr<std::vector<ForwardSpec>> ParseForwards(
    absl::Span<const std::string> texts) {
  std::vector<ParsedForward> parsed;
  for (const std::string& text : texts) {
    absl::StatusOr<ParsedForward> forward = ParseOneForward(text);
    if (!forward.ok()) return forward.status();
    parsed.push_back(*std::move(forward));
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
