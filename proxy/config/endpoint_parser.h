// Internal to config. Parses what stands on either side of a forward's '='.

#ifndef PROXY_CONFIG_ENDPOINT_PARSER_H_
#define PROXY_CONFIG_ENDPOINT_PARSER_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "proxy/config/forward_spec.h"
#include "proxy/config/host_parser.h"
#include "proxy/config/spec_text.h"

namespace weir {

// Every argument is a view into the text of the SpecText, so that errors point
// to the spot. All errors are SpecText::Error.
class EndpointParser {
 public:
  // `spec` must outlive the parser.
  explicit EndpointParser(const SpecText& spec) : spec_(spec), hosts_(spec) {}

  absl::StatusOr<ListenSpec> Listen(std::string_view text) const;
  absl::StatusOr<TargetSpec> Target(std::string_view text) const;

 private:
  absl::StatusOr<std::string> UnixPath(std::string_view text) const;

  const SpecText& spec_;
  const HostParser hosts_;
};

// Whether `text` is written as a unix socket: /path, ./path, unix:...
bool LooksLikeUnix(std::string_view text);

}  // namespace weir

#endif  // PROXY_CONFIG_ENDPOINT_PARSER_H_
