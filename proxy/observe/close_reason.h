// Public. Why a session ended: one closed set for log lines and for the metric
// label `reason`.

#ifndef PROXY_OBSERVE_CLOSE_REASON_H_
#define PROXY_OBSERVE_CLOSE_REASON_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir {

enum class CloseReason : uint8_t {
  // Both ends sent FIN; the name says which was first. Never an error.
  kClientFin,
  kUpstreamFin,
  // A reset, or a send that was refused.
  kClientReset,
  kUpstreamReset,
  // The kernel gave the peer up: keepalive, retransmission, unreachable.
  kClientLost,
  kUpstreamLost,
  kConnectRefused,
  kConnectTimeout,
  kConnectUnreachable,
  kDnsFailed,
  kIdleTimeout,
  kHalfCloseTimeout,
  kLifetime,
  // This machine ran short: descriptors, ports, memory.
  kResources,
  kDrainIdle,
  kDrainForced,
};

inline constexpr std::array<std::string_view, 16> kCloseReasonNames = {
    "client_fin",      "upstream_fin",    "client_reset",
    "upstream_reset",  "client_lost",     "upstream_lost",
    "connect_refused", "connect_timeout", "connect_unreachable",
    "dns_failed",      "idle_timeout",    "half_close_timeout",
    "lifetime",        "resources",       "drain_idle",
    "drain_forced"};

inline constexpr size_t kCloseReasons = kCloseReasonNames.size();

constexpr std::string_view CloseReasonName(CloseReason reason) {
  return kCloseReasonNames[static_cast<size_t>(reason)];
}

}  // namespace weir

#endif  // PROXY_OBSERVE_CLOSE_REASON_H_
