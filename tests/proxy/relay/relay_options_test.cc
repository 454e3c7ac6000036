// C12, C13 and the socket keys of a forward: what its sockets are set to, and
// what the kernel makes of it.

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <chrono>

#include "gtest/gtest.h"
#include "proxy/observe/close_reason.h"
#include "reactor/clock.h"
#include "tests/proxy/relay/relay_matrix.h"
#include "tests/support/faulty_kernel.h"
#include "tests/support/relay_rig.h"
#include "tests/support/test_peer.h"

namespace weir {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

int Option(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_EQ(::getsockopt(fd, level, name, &value, &size), 0);
  return value;
}

RelayRig::Options WithUserTimeout(Duration timeout) {
  RelayRig::Options options;
  options.spec.user_timeout = timeout;
  return options;
}

TEST_P(RelayCalls, C12_UserTimeoutOnBothSides) {
  for (const Wire& wire : kTcpWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig::Options options = WithUserTimeout(milliseconds(12'345));
    options.wire = wire;
    RelayRig& rig = Make(options);
    Link link = rig.Open();
    for (const int fd :
         {rig.kernel().last_accepted(), rig.kernel().last_socket()}) {
      EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 12'345);
    }
  }
}

TEST_P(RelayCalls, C12_NoUserTimeoutUnlessAskedFor) {
  RelayRig& rig = Make();
  Link link = rig.Open();
  for (const int fd :
       {rig.kernel().last_accepted(), rig.kernel().last_socket()}) {
    EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
  }
}

// It is what the README warns of: the peer is alive and answers each probe.
TEST_P(RelayCalls, C13_UserTimeoutResetsAClientThatDoesNotRead) {
  RelayRig& rig = Make(WithUserTimeout(milliseconds(300)));
  Link link = rig.Open(/*receive_buffer=*/4096);
  rig.SendUntilBlocked(&link.upstream);
  ASSERT_TRUE(rig.DriveUntil([&] { return rig.Closed() == 1; }));
  EXPECT_EQ(rig.Closed(CloseReason::kClientLost), 1u);
  EXPECT_EQ(rig.ReadEnd(&link.upstream), ECONNRESET);
}

TEST_P(RelayCalls, C13_UserTimeoutResetsAnUpstreamThatDoesNotRead) {
  RelayRig& rig = Make(WithUserTimeout(milliseconds(300)));
  Link link = rig.Open(/*receive_buffer=*/4096);
  rig.SendUntilBlocked(&link.client);
  ASSERT_TRUE(rig.DriveUntil([&] { return rig.Closed() == 1; }));
  EXPECT_EQ(rig.Closed(CloseReason::kUpstreamLost), 1u);
  EXPECT_EQ(rig.ReadEnd(&link.client), ECONNRESET);
}

TEST_P(RelayCalls, BuffersOfEachSocket) {
  for (const Wire& wire : kAllWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig::Options options;
    options.wire = wire;
    options.spec.receive_buffer = 48 << 10;
    options.spec.send_buffer = 96 << 10;
    RelayRig& rig = Make(options);
    Link link = rig.Open();
    // The kernel doubles both. On AF_UNIX only the sender's counts.
    const int accepted = rig.kernel().last_accepted();
    const int connected = rig.kernel().last_socket();
    EXPECT_EQ(Option(accepted, SOL_SOCKET, SO_SNDBUF), 2 * (96 << 10));
    EXPECT_EQ(Option(connected, SOL_SOCKET, SO_SNDBUF), 2 * (96 << 10));
    if (wire.client != AF_UNIX) {
      EXPECT_EQ(Option(accepted, SOL_SOCKET, SO_RCVBUF), 2 * (48 << 10));
    }
    if (wire.upstream != AF_UNIX) {
      EXPECT_EQ(Option(connected, SOL_SOCKET, SO_RCVBUF), 2 * (48 << 10));
    }
  }
}

// The window that a SYN offers is that of the buffer: with 4 KiB nothing is
// scaled, and the peer can see it.
TEST_P(RelayCalls, ABufferIsSetBeforeTheConnection) {
  RelayRig::Options options;
  options.spec.receive_buffer = 4096;
  RelayRig& rig = Make(options);
  Link link = rig.Open();
  for (const TestPeer* peer : {&link.client, &link.upstream}) {
    tcp_info info{};
    socklen_t size = sizeof(info);
    ASSERT_EQ(::getsockopt(peer->fd(), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    EXPECT_EQ(info.tcpi_snd_wscale, 0);
  }
}

// One call for each key and connecting socket, none for what is inherited.
TEST_P(RelayCalls, AKeyCostsACallAndOnlyThen) {
  const auto calls = [this](const RelayRig::Options& options, bool accepted) {
    RelayRig& rig = Make(options);
    Link link = rig.Open();
    return rig.kernel().calls(
        Call::kSetSockOpt,
        accepted ? rig.kernel().last_accepted() : rig.kernel().last_socket());
  };
  RelayRig::Options keyed = WithUserTimeout(seconds(5));
  keyed.spec.receive_buffer = keyed.spec.send_buffer = 64 << 10;
  const RelayRig::Options plain;
  EXPECT_EQ(calls(keyed, false), calls(plain, false) + 3);
  EXPECT_EQ(calls(plain, true), 0u);
  EXPECT_EQ(calls(keyed, true), 0u);
  keyed.wire = {AF_UNIX, AF_UNIX};
  EXPECT_EQ(calls(keyed, false), 1u);
  EXPECT_EQ(calls(keyed, true), 1u);
  EXPECT_EQ(calls({.wire = {AF_UNIX, AF_UNIX}}, true), 0u);
}

// The first to connect says nothing, so the second is the first to be served.
TEST_P(RelayCalls, ASilentClientIsDeferred) {
  RelayRig::Options options;
  options.spec.defer = seconds(60);
  RelayRig& rig = Make(options);
  TestPeer silent = rig.Dial();
  TestPeer client = rig.Dial();
  ASSERT_TRUE(rig.SendAll(&client, "hello"));
  TestPeer upstream = rig.Take();
  ASSERT_TRUE(rig.ReadBytes(&upstream, 5));
  EXPECT_EQ(upstream.received(), "hello");
  rig.Rounds(20);
  EXPECT_EQ(rig.Accepted(), 1u);
  // A word, and it is there.
  ASSERT_TRUE(rig.SendAll(&silent, "me too"));
  TestPeer second = rig.Take();
  ASSERT_TRUE(rig.ReadBytes(&second, 6));
  EXPECT_EQ(second.received(), "me too");
}

TEST_P(RelayCalls, ADeferredClientComesInTheEnd) {
  RelayRig::Options options;
  options.spec.defer = seconds(1);
  RelayRig& rig = Make(options);
  TestPeer silent = rig.Dial();
  TestPeer upstream = rig.Take();
  ASSERT_TRUE(upstream.open());
  ASSERT_TRUE(rig.SendAll(&upstream, "welcome"));
  EXPECT_TRUE(rig.ReadBytes(&silent, 7));
}

INSTANTIATE_RELAY_CALLS();

}  // namespace
}  // namespace weir
