// Public. The version that --version, the start-up lines and build_info say.

#ifndef PROXY_CONFIG_VERSION_H_
#define PROXY_CONFIG_VERSION_H_

#include <string_view>

namespace weir {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace weir

#endif  // PROXY_CONFIG_VERSION_H_
