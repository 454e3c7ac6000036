// Internal to the resolver. Which name servers c-ares asks.

#ifndef PROXY_UPSTREAM_NAME_SERVERS_H_
#define PROXY_UPSTREAM_NAME_SERVERS_H_

#include <ares.h>

#include <string>

#include "absl/status/status.h"

namespace weir {

// Makes `channel` ask the servers of `text` ("10.0.0.2:53,[::1]:5353") instead
// of those of /etc/resolv.conf. InvalidArgument when it is no such list; then
// the channel is as it was. The thread of the channel.
absl::Status SetNameServers(const std::string& text, ares_channel channel);

}  // namespace weir

#endif  // PROXY_UPSTREAM_NAME_SERVERS_H_
