// Public. Who takes connections from the kernel (--accept).

#ifndef PROXY_CONFIG_ACCEPT_MODE_H_
#define PROXY_CONFIG_ACCEPT_MODE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir {

enum class AcceptMode : uint8_t {
  kShared,     // every reactor, from one socket an address
  kReuseport,  // every reactor, from a socket of its own an address
  kDedicated,  // the control loop, for all reactors
};

inline constexpr std::array<std::string_view, 3> kAcceptModeNames = {
    "shared", "reuseport", "dedicated"};

constexpr std::string_view AcceptModeName(AcceptMode mode) {
  return kAcceptModeNames[static_cast<size_t>(mode)];
}

}  // namespace weir

#endif  // PROXY_CONFIG_ACCEPT_MODE_H_
