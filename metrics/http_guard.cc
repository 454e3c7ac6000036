#include "metrics/http_guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <strings.h>

#include <algorithm>
#include <cstring>

namespace weir {
namespace {

bool EqualsIgnoringCase(const std::string& a, const std::string& b) {
  return strcasecmp(a.c_str(), b.c_str()) == 0;
}

// Copied out of the storage, because reading it in place breaks aliasing rules.
in_addr Ipv4Of(const sockaddr_storage& address) {
  sockaddr_in in;
  std::memcpy(&in, &address, sizeof in);
  return in.sin_addr;
}

in6_addr Ipv6Of(const sockaddr_storage& address) {
  sockaddr_in6 in;
  std::memcpy(&in, &address, sizeof in);
  return in.sin6_addr;
}

bool IsLoopback(in_addr address) {
  return (ntohl(address.s_addr) >> 24) == 127;
}

bool IsLoopback(const in6_addr& address) {
  if (!IN6_IS_ADDR_V4MAPPED(&address)) return IN6_IS_ADDR_LOOPBACK(&address);
  return address.s6_addr[12] == 127;
}

// Splits "host:port" or "[host]:port"; the port may be missing. Nothing when it
// is neither.
std::optional<std::string> HostWithoutPort(std::string_view text) {
  std::string_view host, rest;
  if (!text.empty() && text.front() == '[') {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    host = text.substr(0, end + 1);
    rest = text.substr(end + 1);
  } else {
    const size_t end = std::min(text.find(':'), text.size());
    host = text.substr(0, end);
    rest = text.substr(end);
  }
  const bool digits =
      std::all_of(rest.begin() + (rest.empty() ? 0 : 1), rest.end(),
                  [](char c) { return c >= '0' && c <= '9'; });
  if (!rest.empty() && (rest.front() != ':' || !digits)) return std::nullopt;
  return std::string(host);
}

bool HasTrustedHost(const RequestFacts& facts) {
  return facts.host.has_value() && IsTrustedHost(*facts.host);
}

}  // namespace

bool IsLoopback(const sockaddr_storage& address) {
  switch (address.ss_family) {
    case AF_INET:
      return IsLoopback(Ipv4Of(address));
    case AF_INET6:
      return IsLoopback(Ipv6Of(address));
    default:
      return address.ss_family == AF_UNIX;
  }
}

bool IsTrustedHost(std::string_view text) {
  const std::optional<std::string> host = HostWithoutPort(text);
  if (!host.has_value()) return false;
  if (EqualsIgnoringCase(*host, "localhost")) return true;
  in_addr v4;
  if (inet_pton(AF_INET, host->c_str(), &v4) == 1) return IsLoopback(v4);
  in6_addr v6;
  return host->size() > 2 && host->front() == '[' &&
         inet_pton(AF_INET6, host->substr(1, host->size() - 2).c_str(), &v6) ==
             1 &&
         IsLoopback(v6);
}

const char* WhyPostIsRefused(const RequestFacts& facts) {
  if (!IsLoopback(facts.peer)) {
    return "POST is taken from a loopback address only.";
  }
  // What connects to a unix socket is no browser, and may call it anything.
  const bool is_local_program =
      facts.peer.ss_family == AF_UNIX && !facts.has_origin;
  if (!is_local_program && !HasTrustedHost(facts)) {
    return "POST needs one Host header that is localhost or a loopback "
           "address.";
  }
  if (facts.has_origin &&
      (!facts.origin.has_value() ||
       !EqualsIgnoringCase(*facts.origin, "http://" + *facts.host))) {
    return "POST is not taken from a page of another origin.";
  }
  return nullptr;
}

const char* WhyGetIsRefused(const RequestFacts& facts) {
  // (No browser connects to a unix socket.)
  if (facts.peer.ss_family == AF_UNIX || !IsLoopback(facts.peer) ||
      HasTrustedHost(facts)) {
    return nullptr;
  }
  return "From this machine, this path needs one Host header that is localhost "
         "or a loopback address.";
}

}  // namespace weir
