// Public. Why a session ended, or never began: closed sets for log lines and
// for the metric label `reason`. What no part of weir gives yet is there at
// zero.

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
  // No target may be tried: all are out of service.
  kNoUpstream,
  kIdleTimeout,
  kHalfCloseTimeout,
  kLifetime,
  // This machine ran short: descriptors, ports, memory.
  kResources,
  // By an operator.
  kKilled,
  kDrainIdle,
  kDrainForced,
  // Injected on purpose.
  kFault,
  // Weir's own mistake.
  kInternal,
};

inline constexpr std::array<std::string_view, 20> kCloseReasonNames = {
    "client_fin",
    "upstream_fin",
    "client_reset",
    "upstream_reset",
    "client_lost",
    "upstream_lost",
    "connect_refused",
    "connect_timeout",
    "connect_unreachable",
    "dns_failed",
    "no_upstream",
    "idle_timeout",
    "half_close_timeout",
    "lifetime",
    "resources",
    "killed",
    "drain_idle",
    "drain_forced",
    "fault",
    "internal"};

inline constexpr size_t kCloseReasons = kCloseReasonNames.size();

constexpr std::string_view CloseReasonName(CloseReason reason) {
  return kCloseReasonNames[static_cast<size_t>(reason)];
}

// Why a connection was turned away before it became a session: the label
// `reason` of weir_connections_rejected_total.
enum class RejectReason : uint8_t {
  kLimit,        // as many as are allowed are there
  kDenied,       // the client is not let in
  kProxyHeader,  // what it sent first is no PROXY header
};
inline constexpr std::array<std::string_view, 3> kRejectReasonNames = {
    "limit", "denied", "proxy_header"};

}  // namespace weir

#endif  // PROXY_OBSERVE_CLOSE_REASON_H_
