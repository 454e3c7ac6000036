#include "proxy/relay/peer_name.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

namespace weir {

PeerName::PeerName(const Address& address)
    : port_(address.port()), family_(static_cast<uint8_t>(address.family())) {
  if (family_ == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, address.data(), sizeof(v4));
    std::memcpy(ip_.data(), &v4.sin_addr, sizeof(v4.sin_addr));
  } else if (family_ == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, address.data(), sizeof(v6));
    std::memcpy(ip_.data(), &v6.sin6_addr, sizeof(v6.sin6_addr));
    scope_ = v6.sin6_scope_id;
  }
}

std::string PeerName::ToString() const {
  sockaddr_storage storage{};
  storage.ss_family = family_;
  socklen_t size = sizeof(sa_family_t);
  if (family_ == AF_INET) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port_);
    std::memcpy(&v4.sin_addr, ip_.data(), sizeof(v4.sin_addr));
    std::memcpy(&storage, &v4, size = sizeof(v4));
  } else if (family_ == AF_INET6) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port_);
    v6.sin6_scope_id = scope_;
    std::memcpy(&v6.sin6_addr, ip_.data(), sizeof(v6.sin6_addr));
    std::memcpy(&storage, &v6, size = sizeof(v6));
  }
  return Address::FromSockaddr(reinterpret_cast<const sockaddr*>(&storage),
                               size)
      .ToString();
}

}  // namespace weir
