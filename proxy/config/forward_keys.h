// Public. The keys of a forward: "+connect:2s+idle:10m".

#ifndef PROXY_CONFIG_FORWARD_KEYS_H_
#define PROXY_CONFIG_FORWARD_KEYS_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "proxy/config/forward_spec.h"
#include "proxy/config/spec_text.h"

namespace weir {

// Parses `keys`, a view into `spec` that is empty or starts with a '+', into
// `*forward`, whose two ends are known: a key that no socket between them could
// obey is an error. Each key may come once; a key that is unknown or not
// supported yet is an error. All errors are SpecText::Error.
absl::Status ParseForwardKeys(const SpecText& spec, std::string_view keys,
                              ForwardSpec* forward);

// Every key and its value, given or not, as they are written: {"idle", "10m"}.
std::vector<std::pair<std::string, std::string>> ForwardKeyValues(
    const ForwardSpec& forward);

}  // namespace weir

#endif  // PROXY_CONFIG_FORWARD_KEYS_H_
