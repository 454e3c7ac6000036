#include "proxy/config/outgoing_ports.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "proxy/config/forward_spec.h"

namespace weir {
namespace {

// The parser lets nothing start with "127." but an IPv4 literal or a name whose
// owner asked for this.
bool IsLoopback(const TargetSpec& target) {
  return target.kind == TargetSpec::Kind::kHostPort &&
         (absl::StartsWith(target.host, "127.") || target.host == "::1" ||
          target.host == "0.0.0.0" || target.host == "::" ||
          absl::EqualsIgnoreCase(target.host, "localhost"));
}

}  // namespace

std::vector<std::string> OutgoingPortWarnings(
    absl::Span<const ForwardSpec> forwards, uint16_t first, uint16_t last) {
  std::vector<std::string> warnings;
  for (const ForwardSpec& forward : forwards) {
    const TargetSpec& target = forward.target;
    if (!IsLoopback(target) || target.port < first || target.port > last) {
      continue;
    }
    warnings.push_back(absl::StrCat(
        forward.name, ": ", target.text,
        " lies among the ports of outgoing connections (", first, " to ", last,
        ", net.ipv4.ip_local_port_range): one of them may take it before a "
        "server does"));
  }
  return warnings;
}

}  // namespace weir
