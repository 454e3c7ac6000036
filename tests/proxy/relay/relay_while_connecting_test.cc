// K12 to K15: what the ends do while an upstream is being connected.

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "proxy/observe/close_reason.h"
#include "proxy/observe/forward_metrics.h"
#include "tests/proxy/relay/relay_connecting.h"
#include "tests/proxy/relay/relay_matrix.h"
#include "tests/support/faulty_kernel.h"
#include "tests/support/relay_rig.h"
#include "tests/support/test_peer.h"

namespace weir {
namespace {

using std::chrono::milliseconds;

TEST_P(RelayCalls, K12_ClientResetsWhileConnecting) {
  for (const bool data : {false, true}) {
    SCOPED_TRACE(data);
    RelayRig& rig = Make(Deaf());
    TestPeer other = Occupy(rig);
    TestPeer client = rig.Dial();
    if (data) client.Send("hello");
    ASSERT_TRUE(Connecting(rig));
    const int fd = rig.kernel().last_accepted();
    client.Reset();
    rig.AwaitEvent(fd, 0);
    rig.Rounds(2);
    if (IsSelect()) {
      // It cannot see a hang-up with nothing else armed.
      EXPECT_EQ(rig.Active(Stage::kConnecting), 1);
      rig.Pass(milliseconds(5100), milliseconds(100));
      EXPECT_EQ(rig.Closed(CloseReason::kConnectTimeout), 1u);
    } else {
      EXPECT_EQ(rig.Sessions(), 0u);
      EXPECT_EQ(rig.Closed(CloseReason::kClientReset), 1u);
    }
  }
}

TEST_P(RelayCalls, K12_ClientResetsWhileWaitingForAName) {
  RelayRig& rig = Make({.resolved = false});
  TestPeer client = rig.Dial();
  ASSERT_TRUE(rig.DriveUntil([&] { return rig.Active(Stage::kWaiting) == 1; }));
  const int fd = rig.kernel().last_accepted();
  client.Reset();
  rig.AwaitEvent(fd, 0);
  rig.Rounds(2);
  EXPECT_EQ(rig.Sessions(), IsSelect() ? 1u : 0u);
}

TEST_P(RelayMatrix, K13_DataAndFinWhileConnecting) {
  for (const Wire& wire : kTcpWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    HoldConnect(rig);
    TestPeer client = rig.Dial();
    client.Send("hello");
    client.Shutdown();
    ASSERT_TRUE(Connecting(rig));
    for (int i = 0; i < 10; ++i) rig.Round();
    EXPECT_EQ(rig.Active(Stage::kConnecting), 1);
    ReallyConnect(rig);
    TestPeer upstream = rig.Take();
    EXPECT_EQ(rig.ReadEnd(&upstream), 0);
    EXPECT_EQ(upstream.received(), "hello");
    ASSERT_TRUE(rig.SendAll(&upstream, "answer"));
    upstream.Shutdown();
    EXPECT_EQ(rig.ReadEnd(&client), 0);
    EXPECT_EQ(client.received(), "answer");
  }
}

TEST_P(RelayMatrix, K13_DataAndFinWhileWaitingForAName) {
  for (const Wire& wire : kAllWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make({.wire = wire, .resolved = false});
    TestPeer client = rig.Dial();
    client.Send("hello");
    client.Shutdown();
    ASSERT_TRUE(
        rig.DriveUntil([&] { return rig.Active(Stage::kWaiting) == 1; }));
    if (!noisy()) rig.ExpectQuiet();
    rig.Resolve({rig.upstream_address()});
    TestPeer upstream = rig.Take();
    EXPECT_EQ(rig.ReadEnd(&upstream), 0);
    EXPECT_EQ(upstream.received(), "hello");
    upstream.Shutdown();
    EXPECT_EQ(rig.ReadEnd(&client), 0);
  }
}

TEST_P(RelayMatrix, K14_DataWhileConnectingWaitsInItsSocket) {
  RelayRig& rig = Make({.resolved = false});
  TestPeer client = rig.Dial();
  ASSERT_TRUE(rig.DriveUntil([&] { return rig.Active(Stage::kWaiting) == 1; }));
  const std::string data = Pattern(600'000);
  size_t sent = client.Send(data);
  for (int i = 0; i < 10; ++i) rig.Round();
  EXPECT_EQ(rig.Received(Side::kClient), 0u);
  EXPECT_EQ(rig.Lent(), 0u);
  rig.Resolve({rig.upstream_address()});
  TestPeer upstream = rig.Take();
  ASSERT_TRUE(rig.DriveUntil([&] {
    sent += client.Send(std::string_view(data).substr(sent));
    upstream.Read();
    return upstream.received().size() == data.size();
  }));
  EXPECT_TRUE(upstream.received() == data);
}

// The upstream accepts, speaks and ends before the proxy looks once.
TEST_P(RelayCalls, K15_DataAndEndInTheEventOfTheConnect) {
  for (const Wire& wire : kTcpWires) {
    for (const bool reset : {false, true}) {
      SCOPED_TRACE(WireName(wire) + (reset ? ", reset" : ", FIN"));
      RelayRig& rig = Make(wire);
      TestPeer client = rig.Dial();
      rig.AwaitEvent(rig.listen_fd(), POLLIN);
      rig.Rounds(1);
      ASSERT_EQ(rig.Active(Stage::kConnecting), 1);
      rig.AwaitEvent(rig.upstream_fd(), POLLIN);
      TestPeer upstream(
          ::accept4(rig.upstream_fd(), nullptr, nullptr, SOCK_CLOEXEC));
      ASSERT_TRUE(upstream.open());
      upstream.Send("banner");
      rig.AwaitAcknowledged(upstream);
      const int fd = rig.kernel().last_socket();
      if (reset) {
        upstream.Reset();
        rig.AwaitEvent(fd, 0);
      } else {
        upstream.Close();
        rig.AwaitEvent(fd, POLLRDHUP);
      }
      EXPECT_EQ(rig.ReadEnd(&client), reset ? ECONNRESET : 0);
      EXPECT_EQ(client.received(), "banner");
      client.Close();
      EXPECT_TRUE(rig.DriveUntil([&] { return rig.Closed() == 1; }));
      EXPECT_EQ(rig.Closed(reset ? CloseReason::kUpstreamReset
                                 : CloseReason::kUpstreamFin),
                1u);
      EXPECT_EQ(rig.Connects(ConnectResult::kOk), 1u);
    }
  }
}

INSTANTIATE_RELAY_MATRIX();
INSTANTIATE_RELAY_CALLS();

}  // namespace
}  // namespace weir
