// Public. The parameters of a request: what follows the question mark.

#ifndef METRICS_HTTP_QUERY_H_
#define METRICS_HTTP_QUERY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace weir {

// A value. NAME=VALUE, joined by '&'; decoded, '+' is a space.
class HttpQuery {
 public:
  // Takes the names of `known` only, each at most once. InvalidArgument is a
  // sentence without a full stop that names what is wrong; it holds printable
  // ASCII only.
  static absl::StatusOr<HttpQuery> Parse(
      std::string_view text, absl::Span<const std::string_view> known);

  std::optional<std::string> Get(std::string_view name) const;

  // A whole number from `least` to `most`; `otherwise` when absent, or an error
  // when there is none.
  absl::StatusOr<int64_t> Number(
      std::string_view name, int64_t least, int64_t most,
      std::optional<int64_t> otherwise = std::nullopt) const;

 private:
  std::map<std::string, std::string, std::less<>> parameters_;
};

// `text` in quotes, with '?' for every byte that is not printable ASCII, cut
// where it is long: for errors.
std::string QuoteParameter(std::string_view text);

}  // namespace weir

#endif  // METRICS_HTTP_QUERY_H_
