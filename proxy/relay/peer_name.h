// Public. Who a client is, in the 24 bytes that a session can afford.

#ifndef PROXY_RELAY_PEER_NAME_H_
#define PROXY_RELAY_PEER_NAME_H_

#include <array>
#include <cstdint>
#include <string>

#include "reactor/address.h"

namespace weir {

// A value: address and port of an IP peer. Of a unix peer only that it is one
// (clients do not name their end).
class PeerName {
 public:
  PeerName() = default;
  explicit PeerName(const Address& address);

  // "127.0.0.1:50212", "[::1]:50212", "unix:".
  std::string ToString() const;

 private:
  std::array<uint8_t, 16> ip_{};
  uint32_t scope_ = 0;
  uint16_t port_ = 0;
  uint8_t family_ = 0;
};

}  // namespace weir

#endif  // PROXY_RELAY_PEER_NAME_H_
