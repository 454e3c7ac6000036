// Internal to config. One forward, parsed, with the places of its parts, so
// that what only shows beside other forwards can point there too.

#ifndef PROXY_CONFIG_FORWARD_PARSER_H_
#define PROXY_CONFIG_FORWARD_PARSER_H_

#include <cstddef>
#include <string_view>

#include "absl/status/statusor.h"
#include "proxy/config/forward_spec.h"

namespace weir {

struct ParsedForward {
  ForwardSpec spec;
  // Offsets in spec.text. An absent name is where the listen part starts.
  size_t name = 0;
  size_t listen = 0;
  size_t target = 0;
};

// As ParseForward (forward_spec.h).
absl::StatusOr<ParsedForward> ParseOneForward(std::string_view text);

}  // namespace weir

#endif  // PROXY_CONFIG_FORWARD_PARSER_H_
