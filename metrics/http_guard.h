// Internal to metrics/. Who may send a POST, and who may read what.

#ifndef METRICS_HTTP_GUARD_H_
#define METRICS_HTTP_GUARD_H_

#include <sys/socket.h>

#include <optional>
#include <string>
#include <string_view>

namespace weir {

// 127.0.0.0/8, ::1, the former written as IPv6, or any AF_UNIX address (the
// mode of its path decides who connects).
bool IsLoopback(const sockaddr_storage& address);

// True when a Host header ("name", "1.2.3.4:80", "[::1]:80") names localhost or
// a loopback address. Any other name may have been made to lead here by
// somebody else's DNS.
bool IsTrustedHost(std::string_view host);

// What is known of a request that is not for everybody.
struct RequestFacts {
  sockaddr_storage peer{};
  // Headers; nothing when absent, or when there is more than one. No host
  // either when the request line names one.
  std::optional<std::string> host;
  std::optional<std::string> origin;
  bool has_origin = false;
};

// Why the request is refused, as a sentence; null when it may pass. A browser
// sends Origin with each POST of a page: a page of another site is not let in,
// nor one without a site ("null"). On a unix socket, which no browser reaches,
// a request without Origin may have any Host.
const char* WhyPostIsRefused(const RequestFacts& facts);

// The same for a GET of what is nobody else's business. Of the web's pages only
// one can ask from this machine and read the answer: one whose name was made to
// lead here. (Other machines are let in, under any name: whoever binds the port
// for them decided so.)
const char* WhyGetIsRefused(const RequestFacts& facts);

}  // namespace weir

#endif  // METRICS_HTTP_GUARD_H_
