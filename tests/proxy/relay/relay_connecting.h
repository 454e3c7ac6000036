// For the tests of connecting: an upstream that does not answer yet.

#ifndef TESTS_PROXY_RELAY_RELAY_CONNECTING_H_
#define TESTS_PROXY_RELAY_RELAY_CONNECTING_H_

#include <errno.h>
#include <sys/socket.h>

#include "gtest/gtest.h"
#include "proxy/observe/forward_metrics.h"
#include "reactor/address.h"
#include "tests/support/faulty_kernel.h"
#include "tests/support/relay_rig.h"
#include "tests/support/test_peer.h"

namespace weir {

// A listener of which one connection waits and the next is not answered.
inline RelayRig::Options Deaf(const Wire& wire = {}) {
  RelayRig::Options options;
  options.wire = wire;
  options.backlog = 0;
  return options;
}

// Takes the only place in the backlog.
inline TestPeer Occupy(RelayRig& rig) {
  const Address& address = rig.upstream_address();
  TestPeer peer(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(peer.fd(), address.data(), address.size()), 0);
  return peer;
}

// The proxy's next connect() seems to be in progress; ReallyConnect() makes it.
inline void HoldConnect(RelayRig& rig) {
  rig.kernel().Inject({.call = Call::kConnect, .error = EINPROGRESS});
}

inline void ReallyConnect(RelayRig& rig) {
  const Address& address = rig.upstream_address();
  const int r =
      ::connect(rig.kernel().last_socket(), address.data(), address.size());
  EXPECT_TRUE(r == 0 || errno == EINPROGRESS) << errno;
}

inline bool Connecting(RelayRig& rig) {
  return rig.DriveUntil([&] { return rig.Active(Stage::kConnecting) == 1; });
}

}  // namespace weir

#endif  // TESTS_PROXY_RELAY_RELAY_CONNECTING_H_
