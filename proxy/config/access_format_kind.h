// Public. How lines of the access log are written (--access_log_format).

#ifndef PROXY_CONFIG_ACCESS_FORMAT_KIND_H_
#define PROXY_CONFIG_ACCESS_FORMAT_KIND_H_

#include <array>
#include <cstdint>
#include <string_view>

namespace weir {

enum class AccessFormat : uint8_t {
  kJson,    // an object a line
  kLogfmt,  // key=value, values quoted where they need it
};
inline constexpr std::array<std::string_view, 2> kAccessFormatNames = {
    "json", "logfmt"};

}  // namespace weir

#endif  // PROXY_CONFIG_ACCESS_FORMAT_KIND_H_
