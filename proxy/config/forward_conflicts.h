// Internal to config. What only shows when forwards are seen side by side.

#ifndef PROXY_CONFIG_FORWARD_CONFLICTS_H_
#define PROXY_CONFIG_FORWARD_CONFLICTS_H_

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "proxy/config/forward_parser.h"
#include "proxy/config/forward_spec.h"

namespace weir {

// InvalidArgument (SpecText::Error) when two forwards listen on one address,
// when two have one name, or when a target leads back to the forward itself,
// directly or through others (TCP knows no hop limit, so each connection would
// make connections until the descriptors end; rule K17). Only what the text
// says is compared: 127.0.0.1, localhost, every interface; not what a name
// resolves to, nor the machine's own outer addresses.
absl::Status CheckConflicts(absl::Span<const ParsedForward> forwards);

// Whether both cannot be listened on at once, as far as the text says.
bool ListenersCollide(const ListenSpec& a, const ListenSpec& b);

}  // namespace weir

#endif  // PROXY_CONFIG_FORWARD_CONFLICTS_H_
