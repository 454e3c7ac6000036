// C04, C09, C12, C13: time, and what weir ends itself.

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <chrono>
#include <string>

#include "gtest/gtest.h"
#include "proxy/observe/close_reason.h"
#include "proxy/observe/forward_metrics.h"
#include "tests/proxy/relay/relay_matrix.h"
#include "tests/support/faulty_kernel.h"
#include "tests/support/relay_rig.h"
#include "tests/support/test_peer.h"

namespace weir {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

RelayRig::Options WithTimers(Duration idle, Duration lifetime = kForever) {
  RelayRig::Options options;
  options.spec.idle_timeout = idle;
  options.spec.lifetime = lifetime;
  return options;
}

TEST_P(RelayMatrix, C04_HalfCloseTimerResetsBoth) {
  for (const Wire& wire : kTcpWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    Link link = rig.Open();
    rig.Pass(hours(1), seconds(60));
    link.client.Shutdown();
    ASSERT_EQ(rig.ReadEnd(&link.upstream), 0);
    // Else the acknowledgement of the FIN, which comes in real time, counts as
    // progress.
    rig.AwaitSendQueueBelow(rig.kernel().last_socket(), 1);
    rig.Pass(seconds(59), seconds(1));
    EXPECT_EQ(rig.Sessions(), 1u);
    rig.Pass(seconds(2), seconds(1));
    EXPECT_EQ(rig.Sessions(), 0u);
    EXPECT_EQ(rig.Closed(CloseReason::kHalfCloseTimeout), 1u);
    EXPECT_EQ(rig.ReadEnd(&link.client), ECONNRESET);
  }
}

TEST_P(RelayMatrix, C04_ProgressRefreshesTheHalfCloseTimer) {
  RelayRig& rig = Make();
  Link link = rig.Open();
  link.client.Shutdown();
  ASSERT_EQ(rig.ReadEnd(&link.upstream), 0);
  for (int i = 0; i < 5; ++i) {
    rig.Pass(seconds(50), seconds(1));
    ASSERT_EQ(rig.Sessions(), 1u);
    ASSERT_TRUE(rig.SendAll(&link.upstream, "x"));
    ASSERT_TRUE(rig.ReadBytes(&link.client, static_cast<size_t>(i) + 1));
  }
  link.upstream.Shutdown();
  EXPECT_EQ(rig.ReadEnd(&link.client), 0);
}

TEST_P(RelayMatrix, C09_IdleTimerResetsBoth) {
  for (const Wire& wire : kTcpWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig::Options options = WithTimers(seconds(10));
    options.wire = wire;
    RelayRig& rig = Make(options);
    Link link = rig.Open();
    rig.Pass(seconds(9), milliseconds(500));
    ASSERT_EQ(rig.Sessions(), 1u);
    ASSERT_TRUE(rig.SendAll(&link.client, "x"));
    ASSERT_TRUE(rig.ReadBytes(&link.upstream, 1));
    rig.Pass(seconds(9), milliseconds(500));
    ASSERT_EQ(rig.Sessions(), 1u);
    rig.Pass(seconds(2), milliseconds(500));
    EXPECT_EQ(rig.Sessions(), 0u);
    EXPECT_EQ(rig.Closed(CloseReason::kIdleTimeout), 1u);
    EXPECT_EQ(rig.ReadEnd(&link.client), ECONNRESET);
    EXPECT_EQ(rig.ReadEnd(&link.upstream), ECONNRESET);
  }
}

TEST_P(RelayMatrix, C09_LifetimeResetsBoth) {
  RelayRig& rig = Make(WithTimers(kForever, seconds(30)));
  Link link = rig.Open();
  for (int i = 0; i < 29; ++i) {
    rig.Pass(milliseconds(990), milliseconds(330));
    ASSERT_TRUE(rig.SendAll(&link.client, "x"));
    ASSERT_TRUE(rig.ReadBytes(&link.upstream, static_cast<size_t>(i) + 1));
  }
  EXPECT_EQ(rig.Sessions(), 1u);
  rig.Pass(seconds(2), milliseconds(500));
  EXPECT_EQ(rig.Closed(CloseReason::kLifetime), 1u);
  EXPECT_EQ(rig.ReadEnd(&link.client), ECONNRESET);
  EXPECT_EQ(rig.ReadEnd(&link.upstream), ECONNRESET);
}

int Option(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_EQ(::getsockopt(fd, level, name, &value, &size), 0);
  return value;
}

TEST_P(RelayCalls, C12_KeepaliveOnBothSides) {
  RelayRig& rig = Make();
  Link link = rig.Open();
  // A connection gets it when it has lived for a second.
  rig.Pass(seconds(2), milliseconds(100));
  for (const int fd :
       {rig.kernel().last_accepted(), rig.kernel().last_socket()}) {
    EXPECT_EQ(Option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 60);
    EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 10);
    EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_KEEPCNT), 6);
    EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
  }
}

// What the kernel says after the last unanswered probe.
TEST_P(RelayCalls, C12_VanishedPeerIsLost) {
  RelayRig& rig = Make();
  Link link = rig.Open();
  rig.kernel().Inject({.call = Call::kRecv,
                       .error = ETIMEDOUT,
                       .fd = rig.kernel().last_accepted()});
  link.client.Send("x");
  EXPECT_EQ(rig.ReadEnd(&link.upstream), ECONNRESET);
  EXPECT_EQ(rig.Closed(CloseReason::kClientLost), 1u);
}

TEST_P(RelayMatrix, C13_ReaderThatPausesLivesForEver) {
  RelayRig& rig = Make();
  Link link = rig.Open(/*receive_buffer=*/8192);
  const std::string data = rig.SendUntilBlocked(&link.upstream);
  rig.Pass(hours(24), hours(1));
  EXPECT_EQ(rig.Active(Stage::kRelaying), 1);
  link.client.SetReceiveBuffer(1 << 20);  // the rest need not be slow
  EXPECT_TRUE(rig.ReadBytes(&link.client, data.size()));
  EXPECT_TRUE(link.client.received() == data);
}

TEST_P(RelayMatrix, C13_StalledWriteExpiresWithTheIdleTimer) {
  RelayRig& rig = Make(WithTimers(seconds(10)));
  Link link = rig.Open(/*receive_buffer=*/8192);
  (void)rig.SendUntilBlocked(&link.upstream);
  for (int i = 0; i < 20; ++i) rig.Round();
  RelayRig::AwaitSendQueueStill(rig.kernel().last_accepted());
  rig.Pass(seconds(25), milliseconds(500));
  EXPECT_EQ(rig.Sessions(), 0u);
  EXPECT_EQ(rig.Closed(CloseReason::kIdleTimeout), 1u);
}

// The socket becomes writable only when a third of its queue was read: what the
// slow reader takes meanwhile is seen in the queue (SIOCOUTQ).
TEST_P(RelayCalls, C13_SlowReaderMakesProgress) {
  RelayRig& rig = Make(WithTimers(seconds(10)));
  Link link = rig.Open(/*receive_buffer=*/32768);
  (void)rig.SendUntilBlocked(&link.upstream);
  const uint64_t sent = rig.Sent(Side::kClient);
  for (int i = 0; i < 6; ++i) {
    rig.Pass(seconds(8), milliseconds(500));
    ASSERT_EQ(rig.Sessions(), 1u) << "after " << i << " reads";
    rig.ReadUntilSendQueueShrinks(&link.client, rig.kernel().last_accepted());
  }
  EXPECT_EQ(rig.Sent(Side::kClient), sent) << "the reader was not slow";
}

INSTANTIATE_RELAY_MATRIX();
INSTANTIATE_RELAY_CALLS();

}  // namespace
}  // namespace weir
