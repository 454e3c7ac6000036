// Public. What the access log says of a connection.

#ifndef PROXY_OBSERVE_ACCESS_LOG_ACCESS_RECORD_H_
#define PROXY_OBSERVE_ACCESS_LOG_ACCESS_RECORD_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "proxy/observe/close_reason.h"
#include "reactor/clock.h"

namespace weir {

enum class AccessEvent : uint8_t {
  kOpen,    // both sides are connected (--access_log_open)
  kUpdate,  // it goes on (--access_log_every)
  kClose,   // always; also of a connection that never was open
};
inline constexpr std::array<std::string_view, 3> kAccessEventNames = {
    "open", "update", "close"};

// Plain data of one moment. The texts belong to the caller, raw.
struct AccessRecord {
  AccessEvent event = AccessEvent::kClose;
  int64_t wall_nanos = 0;  // since the Unix epoch
  std::string_view forward;
  uint64_t connection = 0;  // its id
  size_t reactor = 0;
  std::string_view client;    // "127.0.0.1:50212", "unix:"
  std::string_view target;    // as the forward names it: "db1:5432"
  std::string_view upstream;  // the address last tried; empty: none was
  Duration duration{};        // since it was accepted
  // Nothing: it did not come to that.
  std::optional<Duration> connect;     // how long that took
  std::optional<Duration> first_byte;  // of the upstream, since the accept
  // Sent on to the upstream and to the client.
  uint64_t bytes_up = 0;
  uint64_t bytes_down = 0;
  // Segments that the kernel sent again; nothing: no TCP, or no connection.
  std::optional<uint32_t> client_retransmits;
  std::optional<uint32_t> upstream_retransmits;
  CloseReason reason = CloseReason::kClientFin;  // of kClose
};

}  // namespace weir

#endif  // PROXY_OBSERVE_ACCESS_LOG_ACCESS_RECORD_H_
