// K01 to K11: from an accepted client to a connected upstream. And K17.

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "proxy/config/forward_spec.h"
#include "proxy/observe/close_reason.h"
#include "proxy/observe/forward_metrics.h"
#include "proxy/relay/session_walk.h"
#include "reactor/address.h"
#include "tests/proxy/relay/relay_connecting.h"
#include "tests/proxy/relay/relay_matrix.h"
#include "tests/support/faulty_kernel.h"
#include "tests/support/relay_rig.h"
#include "tests/support/test_peer.h"

namespace weir {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

void ExpectExchange(RelayRig& rig, TestPeer* client, TestPeer* upstream) {
  ASSERT_TRUE(rig.SendAll(client, "ping"));
  ASSERT_TRUE(rig.ReadBytes(upstream, 4));
  ASSERT_TRUE(rig.SendAll(upstream, "pong"));
  ASSERT_TRUE(rig.ReadBytes(client, 4));
  EXPECT_EQ(upstream->received(), "ping");
  EXPECT_EQ(client->received(), "pong");
}

TEST_P(RelayCalls, K01_ConnectedAtOnce) {
  RelayRig& rig = Make({AF_INET, AF_UNIX});
  TestPeer client = rig.Dial();
  rig.AwaitEvent(rig.listen_fd(), POLLIN);
  rig.Rounds(1);
  // In the round of the accept: no event was waited for.
  EXPECT_EQ(rig.Active(Stage::kRelaying), 1);
  TestPeer upstream = rig.Take();
  ExpectExchange(rig, &client, &upstream);
}

TEST_P(RelayCalls, K02_NoErrorIsAskedForWhereThePollerTells) {
  for (const Wire& wire : kTcpWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    Link link = rig.Open();
    EXPECT_EQ(rig.kernel().error_reads(rig.kernel().last_socket()),
              IsSelect() ? 1u : 0u);
    EXPECT_EQ(rig.Connects(ConnectResult::kOk), 1u);
  }
}

TEST_P(RelayCalls, K02_ARefusalIsAskedForOnce) {
  for (const Wire& wire : kTcpWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    rig.StopUpstream();
    TestPeer client = rig.Dial();
    EXPECT_EQ(rig.ReadEnd(&client), ECONNRESET);
    EXPECT_EQ(rig.kernel().error_reads(rig.kernel().last_socket()), 1u);
    EXPECT_EQ(rig.Connects(ConnectResult::kRefused), 1u);
  }
}

// A socket that is not connected yet reports a hang-up without an error.
TEST_P(RelayCalls, K03_HangUpWithoutErrorIsAHint) {
  RelayRig& rig = Make();
  HoldConnect(rig);
  TestPeer client = rig.Dial();
  ASSERT_TRUE(Connecting(rig));
  for (int i = 0; i < 20; ++i) rig.Round();
  EXPECT_EQ(rig.Active(Stage::kConnecting), 1);
  ReallyConnect(rig);
  TestPeer upstream = rig.Take();
  ExpectExchange(rig, &client, &upstream);
  EXPECT_EQ(rig.Connects(ConnectResult::kOk), 1u);
}

TEST_P(RelayCalls, K04_InterruptedConnectGoesOn) {
  for (const int error : {EINTR, EALREADY}) {
    SCOPED_TRACE(error);
    RelayRig& rig = Make();
    rig.kernel().Inject({.call = Call::kConnect, .error = error, .made = true});
    Link link = rig.Open();
    ExpectExchange(rig, &link.client, &link.upstream);
    EXPECT_EQ(rig.kernel().calls(Call::kConnect), 1u);
  }
}

TEST_P(RelayCalls, K04_ConnectedAlreadyIsSuccess) {
  RelayRig& rig = Make({AF_INET, AF_UNIX});
  rig.kernel().Inject({.call = Call::kConnect, .error = EISCONN, .made = true});
  Link link = rig.Open();
  ExpectExchange(rig, &link.client, &link.upstream);
}

TEST_P(RelayCalls, K05_FullUnixBacklogIsTriedAgain) {
  RelayRig& rig = Make(Deaf({AF_INET, AF_UNIX}));
  TestPeer other = Occupy(rig);
  TestPeer client = rig.Dial();
  ASSERT_TRUE(Connecting(rig));
  rig.Pass(seconds(1), milliseconds(1));
  EXPECT_EQ(rig.Active(Stage::kConnecting), 1);
  EXPECT_GE(rig.kernel().calls(Call::kConnect), 50u);
  EXPECT_LE(rig.kernel().calls(Call::kConnect), 102u);
  TestPeer first = rig.Take();  // the other one: now there is room
  TestPeer upstream = rig.Take();
  ExpectExchange(rig, &client, &upstream);
  EXPECT_EQ(rig.Connects(ConnectResult::kOk), 1u);
}

TEST_P(RelayCalls, K05_FullUnixBacklogTimesOut) {
  RelayRig& rig = Make(Deaf({AF_INET, AF_UNIX}));
  TestPeer other = Occupy(rig);
  TestPeer client = rig.Dial();
  ASSERT_TRUE(Connecting(rig));
  rig.Pass(milliseconds(4900), milliseconds(10));
  EXPECT_EQ(rig.Active(Stage::kConnecting), 1);
  rig.Pass(milliseconds(200), milliseconds(10));
  EXPECT_EQ(rig.Closed(CloseReason::kConnectTimeout), 1u);
  EXPECT_EQ(rig.ReadEnd(&client), ECONNRESET);
}

TEST_P(RelayCalls, K06_EachAttemptHasASocketOfItsOwn) {
  RelayRig& rig = Make();
  std::vector<int> tried;
  rig.kernel().SetHook([&](Call call, int fd) {
    if (call == Call::kConnect) tried.push_back(fd);
  });
  // Nobody listens on port 1.
  rig.Resolve({Address::Loopback(AF_INET, 1), rig.upstream_address()});
  Link link = rig.Open();
  ExpectExchange(rig, &link.client, &link.upstream);
  ASSERT_EQ(tried.size(), 2u);
  EXPECT_EQ(rig.kernel().calls(Call::kSocket), 2u);
  EXPECT_EQ(rig.kernel().calls(Call::kClose, tried[0]), 1u);
  EXPECT_EQ(rig.Connects(ConnectResult::kRefused), 1u);
  EXPECT_EQ(rig.Connects(ConnectResult::kOk), 1u);
}

TEST_P(RelayCalls, K07_OneDeadlineForAll) {
  RelayRig& rig = Make(Deaf());
  TestPeer other = Occupy(rig);
  TestPeer client = rig.Dial();
  ASSERT_TRUE(Connecting(rig));
  rig.Pass(milliseconds(4900), milliseconds(100));
  EXPECT_EQ(rig.Active(Stage::kConnecting), 1);
  rig.Pass(milliseconds(200), milliseconds(100));
  EXPECT_EQ(rig.Sessions(), 0u);
  EXPECT_EQ(rig.Closed(CloseReason::kConnectTimeout), 1u);
  EXPECT_EQ(rig.ReadEnd(&client), ECONNRESET);
  rig.Rounds(2);
  EXPECT_EQ(rig.kernel().calls(Call::kClose, rig.kernel().last_socket()), 1u);
}

TEST_P(RelayCalls, K07_EachAddressHasItsShare) {
  RelayRig& rig = Make(Deaf());
  TestPeer other = Occupy(rig);
  rig.Resolve({rig.upstream_address(), rig.upstream_address()});
  TestPeer client = rig.Dial();
  ASSERT_TRUE(Connecting(rig));
  rig.Pass(milliseconds(2400), milliseconds(100));
  EXPECT_EQ(rig.kernel().calls(Call::kConnect), 1u);
  rig.Pass(milliseconds(200), milliseconds(100));
  EXPECT_EQ(rig.kernel().calls(Call::kConnect), 2u);
  rig.Pass(milliseconds(2600), milliseconds(100));
  EXPECT_EQ(rig.Closed(CloseReason::kConnectTimeout), 1u);
  EXPECT_EQ(rig.Connects(ConnectResult::kTimeout), 2u);
  EXPECT_EQ(rig.ReadEnd(&client), ECONNRESET);
}

TEST_P(RelayCalls, K07_ANameThatNeverComes) {
  RelayRig& rig = Make({.resolved = false});
  TestPeer client = rig.Dial();
  ASSERT_TRUE(rig.DriveUntil([&] { return rig.Active(Stage::kWaiting) == 1; }));
  rig.ExpectQuiet();
  rig.Pass(milliseconds(5100), milliseconds(100));
  EXPECT_EQ(rig.Closed(CloseReason::kDnsFailed), 1u);
  EXPECT_EQ(rig.ReadEnd(&client), ECONNRESET);
}

TEST_P(RelayCalls, K07_ThoseThatWaitedConnectAFewATurn) {
  constexpr size_t kATurn = SessionWalks::kPerTurn / SessionWalks::kWork;
  RelayRig& rig = Make({.backlog = 1024, .resolved = false});
  std::vector<TestPeer> clients;
  for (size_t i = 0; i <= kATurn; ++i) clients.push_back(rig.Dial());
  const auto waiting = [&rig] {
    return static_cast<size_t>(rig.Active(Stage::kWaiting));
  };
  ASSERT_TRUE(rig.DriveUntil([&] { return waiting() == clients.size(); }));
  rig.Resolve({rig.upstream_address()});
  EXPECT_EQ(waiting(), clients.size());
  rig.Rounds(1);
  EXPECT_EQ(waiting(), 1u);
  rig.Rounds(1);
  EXPECT_EQ(waiting(), 0u);
}

TEST_P(RelayCalls, K08_RefusedIsSeenWithinOneTurn) {
  for (const Wire& wire : kAllWires) {
    if (wire.client == AF_UNIX) continue;  // it has no reset
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    rig.StopUpstream();
    TestPeer client = rig.Dial();
    ASSERT_TRUE(rig.DriveUntil([&] { return rig.Closed() == 1; }));
    rig.Rounds(1);  // io_uring closes when the poll that it removed was reaped
    rig.AwaitEvent(client.fd(), 0);
    client.Read();
    EXPECT_EQ(client.end(), ECONNRESET);
    EXPECT_EQ(rig.Closed(CloseReason::kConnectRefused), 1u);
    EXPECT_EQ(rig.resolve_again(), 1);
  }
}

// Also when the client has sent something by then.
TEST_P(RelayMatrix, K08_RefusedWithDataOnItsWay) {
  RelayRig& rig = Make();
  rig.StopUpstream();
  TestPeer client = rig.Dial();
  client.Send("hello");
  EXPECT_EQ(rig.ReadEnd(&client), ECONNRESET);
  EXPECT_EQ(rig.Closed(CloseReason::kConnectRefused), 1u);
}

TEST_P(RelayCalls, K08_NoAddressAtAll) {
  RelayRig& rig = Make({.resolved = false});
  TestPeer client = rig.Dial();
  ASSERT_TRUE(rig.DriveUntil([&] { return rig.Active(Stage::kWaiting) == 1; }));
  rig.Resolve({});
  EXPECT_EQ(rig.ReadEnd(&client), ECONNRESET);
  EXPECT_EQ(rig.Closed(CloseReason::kDnsFailed), 1u);
  EXPECT_EQ(rig.Connects(ConnectResult::kDns), 1u);
}

TEST_P(RelayCalls, K09_NoFreePort) {
  for (const int error : {EADDRNOTAVAIL, EADDRINUSE, EAGAIN}) {
    SCOPED_TRACE(error);
    RelayRig& rig = Make();
    rig.kernel().Inject({.call = Call::kConnect, .error = error, .count = 100});
    TestPeer client = rig.Dial();
    EXPECT_EQ(rig.ReadEnd(&client), ECONNRESET);
    EXPECT_EQ(rig.Closed(CloseReason::kResources), 1u);
    EXPECT_EQ(rig.kernel().calls(Call::kConnect), 1u) << "tried again at once";
  }
}

// The port that nobody listens on is given to the very socket that connects,
// also when the target is 0.0.0.0, which means this machine.
TEST_P(RelayCalls, K11_SelfConnectIsARefusal) {
  for (const Wire& wire : kTcpWires) {
    for (const bool any : {false, true}) {
      SCOPED_TRACE(WireName(wire) + (any ? ", any" : ""));
      RelayRig& rig = Make({.wire = wire, .local_ports = {1, 65535}});
      rig.StopUpstream();
      const Address self = rig.upstream_address();
      if (any) rig.Resolve({Address::Any(self.family(), self.port())});
      rig.kernel().SetHook([&](Call call, int fd) {
        if (call != Call::kConnect) return;
        EXPECT_EQ(::bind(fd, self.data(), self.size()), 0);
      });
      TestPeer client = rig.Dial();
      EXPECT_EQ(rig.ReadEnd(&client), ECONNRESET);
      EXPECT_EQ(rig.Closed(CloseReason::kConnectRefused), 1u);
      EXPECT_EQ(rig.Connects(ConnectResult::kRefused), 1u);
    }
  }
}

// No session can know of it; the command line refuses it.
TEST(RelayConfig, K17_AForwardIsNotItsOwnTarget) {
  const auto parses = [](std::string forward) {
    return ParseForwards({std::move(forward)}).ok();
  };
  EXPECT_FALSE(parses("7000=127.0.0.1:7000"));
  EXPECT_FALSE(parses("any:7000=127.0.0.1:7000"));
  EXPECT_FALSE(parses("[::1]:7000=[::1]:7000"));
  EXPECT_TRUE(parses("7000=127.0.0.1:7001"));
}

INSTANTIATE_RELAY_MATRIX();
INSTANTIATE_RELAY_CALLS();

}  // namespace
}  // namespace weir
