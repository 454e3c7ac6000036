// Public. A warning about targets that the kernel may connect to themselves.

#ifndef PROXY_CONFIG_OUTGOING_PORTS_H_
#define PROXY_CONFIG_OUTGOING_PORTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "proxy/config/forward_spec.h"

namespace weir {

// One line for each forward whose target is a loopback port from `first` to
// `last`, the range that the kernel picks the source ports of connections from
// (net.ipv4.ip_local_port_range). While nothing listens there, a connect may
// get that port itself and meet its own end (rule K11), and it keeps a server
// from binding it.
std::vector<std::string> OutgoingPortWarnings(
    absl::Span<const ForwardSpec> forwards, uint16_t first, uint16_t last);

}  // namespace weir

#endif  // PROXY_CONFIG_OUTGOING_PORTS_H_
