// C04, C09, C12, C13 and the ends of a drain: time, and what weir ends itself.

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

// The end of a drain resets both, but what is buffered is flushed first.
TEST_P(RelayMatrix, C09_ForcedDrainFlushesThenResets) {
  RelayRig& rig = Make();
  Link link = rig.Open();
  ASSERT_TRUE(rig.SendAll(&link.upstream, "all of this"));
  ASSERT_TRUE(
      rig.DriveUntil([&] { return link.upstream.unacknowledged() == 0; }));
  ASSERT_TRUE(rig.DriveUntil([&] { return rig.Sent(Side::kClient) == 11; }));
  rig.worker().EndAll();
  EXPECT_EQ(rig.ReadEnd(&link.client), ECONNRESET);
  EXPECT_EQ(link.client.received(), "all of this");
  EXPECT_EQ(rig.ReadEnd(&link.upstream), ECONNRESET);
  EXPECT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 0; }));
  EXPECT_EQ(rig.Closed(CloseReason::kDrainForced), 1u);
}

TEST_P(RelayMatrix, C09_ForcedDrainWaitsASecondForTheFlush) {
  RelayRig& rig = Make();
  Link link = rig.Open(/*receive_buffer=*/8192);
  (void)rig.SendUntilBlocked(&link.upstream);
  rig.worker().EndAll();
  rig.Pass(milliseconds(900), milliseconds(100));
  EXPECT_EQ(rig.Active(Stage::kAborting), 1);
  rig.Pass(milliseconds(200), milliseconds(100));
  EXPECT_EQ(rig.Sessions(), 0u);
  EXPECT_EQ(rig.Closed(CloseReason::kDrainForced), 1u);
  EXPECT_EQ(rig.ReadEnd(&link.client), ECONNRESET);
}

// Not an abort: an idle session of a drain is ended with FIN to both.
TEST_P(RelayMatrix, C09_IdleDrainHalfCloses) {
  for (const Wire& wire : kAllWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    Link link = rig.Open();
    ASSERT_TRUE(rig.SendAll(&link.client, "x"));
    ASSERT_TRUE(rig.ReadBytes(&link.upstream, 1));
    rig.worker().EndIdle(seconds(2), Duration::zero());
    rig.Pass(seconds(1), milliseconds(50));
    EXPECT_EQ(rig.Active(Stage::kRelaying), 1) << "ended before it was idle";
    rig.Pass(milliseconds(1200), milliseconds(50));
    EXPECT_EQ(rig.Active(Stage::kRelaying), 0);
    EXPECT_EQ(rig.ReadEnd(&link.client), 0);
    EXPECT_EQ(rig.ReadEnd(&link.upstream), 0);
    link.client.Close();
    link.upstream.Close();
    EXPECT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 0; }));
    EXPECT_EQ(rig.Closed(CloseReason::kDrainIdle), 1u);
  }
}

TEST_P(RelayMatrix, C09_IdleDrainEndsASilentPairWithinASecond) {
  RelayRig& rig = Make();
  Link link = rig.Open();
  rig.Pass(seconds(3), seconds(1));
  rig.worker().EndIdle(seconds(2), Duration::zero());
  rig.Pass(milliseconds(900), milliseconds(100));
  EXPECT_EQ(rig.Active(Stage::kAborting), 1);
  rig.Pass(milliseconds(200), milliseconds(100));
  EXPECT_EQ(rig.Sessions(), 0u);
  EXPECT_EQ(rig.Closed(CloseReason::kDrainIdle), 1u);
  EXPECT_EQ(rig.ReadEnd(&link.client), 0);
  EXPECT_EQ(rig.ReadEnd(&link.upstream), 0);
}

// The second of a drain counts from its step, not from the last byte.
TEST_P(RelayMatrix, C09_DrainGivesItsSecondAfterALongSilence) {
  {
    RelayRig& rig = Make();
    Link link = rig.Open();
    rig.Pass(seconds(120), seconds(1));
    rig.worker().EndIdle(seconds(2), Duration::zero());
    rig.Pass(milliseconds(900), milliseconds(100));
    EXPECT_EQ(rig.Active(Stage::kAborting), 1);
    rig.Pass(milliseconds(200), milliseconds(100));
    EXPECT_EQ(rig.Sessions(), 0u);
    EXPECT_EQ(rig.ReadEnd(&link.client), 0);
  }
  RelayRig& rig = Make();
  Link link = rig.Open(/*receive_buffer=*/8192);
  (void)rig.SendUntilBlocked(&link.upstream);
  rig.Pass(seconds(120), seconds(1));
  rig.worker().EndAll();
  rig.Pass(milliseconds(900), milliseconds(100));
  EXPECT_EQ(rig.Active(Stage::kAborting), 1);
  rig.Pass(milliseconds(200), milliseconds(100));
  EXPECT_EQ(rig.Sessions(), 0u);
}

// Bytes that cross the FIN of a drain are lost, and a reset says so.
TEST_P(RelayMatrix, C09_IdleDrainResetsWhoSendsTooLate) {
  RelayRig& rig = Make();
  Link link = rig.Open();
  rig.Pass(seconds(3), seconds(1));
  rig.worker().EndIdle(seconds(2), Duration::zero());
  ASSERT_EQ(rig.ReadEnd(&link.client), 0);
  link.client.Send("too late");
  ASSERT_TRUE(rig.DriveUntil([&] { return rig.Discarded(Side::kClient) > 0; }));
  rig.Pass(milliseconds(1100), milliseconds(100));
  EXPECT_EQ(rig.Sessions(), 0u);
  EXPECT_TRUE(rig.DriveUntil([&] {
    link.client.Send("x");
    return link.client.send_error() != 0;
  }));
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
    EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
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
  EXPECT_TRUE(rig.ReadBytes(&link.client, data.size()));
  EXPECT_TRUE(link.client.received() == data);
}

TEST_P(RelayMatrix, C13_StalledWriteExpiresWithTheIdleTimer) {
  RelayRig& rig = Make(WithTimers(seconds(10)));
  Link link = rig.Open(/*receive_buffer=*/8192);
  (void)rig.SendUntilBlocked(&link.upstream);
  for (int i = 0; i < 20; ++i) rig.Round();
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
