// Internal to metrics/. Listening sockets of the HTTP server.

#ifndef METRICS_HTTP_LISTEN_H_
#define METRICS_HTTP_LISTEN_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace weir {

// A bound, non-blocking, listening socket, the caller's. See
// HttpServer::Listen() for arguments and errors.
absl::StatusOr<int> ListenTcp(const std::string& address, uint16_t port);

// Makes a bound stream socket non-blocking, close-on-exec and listening.
absl::Status ListenOn(int fd);

// 0 when the socket has no port.
uint16_t PortOf(int fd);

}  // namespace weir

#endif  // METRICS_HTTP_LISTEN_H_
