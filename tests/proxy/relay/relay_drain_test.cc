// C09: how a drain ends its sessions.

#include <errno.h>
#include <poll.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "proxy/observe/close_reason.h"
#include "proxy/observe/forward_metrics.h"
#include "proxy/relay/session_walk.h"
#include "reactor/clock.h"
#include "tests/proxy/relay/relay_matrix.h"
#include "tests/support/faulty_kernel.h"
#include "tests/support/relay_rig.h"
#include "tests/support/test_peer.h"

namespace weir {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

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

// What the kernel took from us is a transfer for as long as the client reads.
TEST_P(RelayMatrix, C09_IdleDrainWaitsForTheSendQueue) {
  RelayRig& rig = Make();
  Link link = rig.Open(/*receive_buffer=*/8192);
  const std::string data = Pattern(50'000);
  ASSERT_TRUE(rig.SendAll(&link.upstream, data));
  ASSERT_TRUE(
      rig.DriveUntil([&] { return rig.Sent(Side::kClient) == data.size(); }));
  ASSERT_GT(RelayRig::SendQueueOf(rig.kernel().last_accepted()), 0);
  rig.worker().EndIdle(seconds(2), Duration::zero());
  rig.Pass(seconds(5), milliseconds(50));
  EXPECT_EQ(rig.Active(Stage::kRelaying), 1);
  ASSERT_TRUE(rig.ReadBytes(&link.client, data.size()));
  rig.AwaitSendQueueBelow(rig.kernel().last_accepted(), 1);
  EXPECT_EQ(rig.ReadEnd(&link.client), 0);
  EXPECT_EQ(rig.ReadEnd(&link.upstream), 0);
  EXPECT_TRUE(link.client.received() == data);
}

// The ends of a drain are spread: none before its time, and not all at once.
TEST_P(RelayCalls, C09_IdleDrainIsSpread) {
  constexpr size_t kSessions = 20;
  RelayRig& rig = Make();
  std::vector<Link> links;
  for (size_t i = 0; i < kSessions; ++i) links.push_back(rig.Open());
  rig.Pass(seconds(3), seconds(1));
  rig.worker().EndIdle(seconds(2), seconds(5));
  for (int second = 1; second <= 5; ++second) {
    rig.Pass(seconds(1), milliseconds(50));
    const uint64_t left = rig.Active(Stage::kRelaying);
    EXPECT_NEAR(left, kSessions * (5 - second) / 5.0, 2) << second << " s";
  }
  EXPECT_EQ(rig.Active(Stage::kRelaying), 0);
}

// What is done to many sessions takes many turns.
TEST_P(RelayCalls, C09_DrainsEndAFewATurn) {
  constexpr size_t kATurn = SessionWalks::kPerTurn / SessionWalks::kWork;
  for (const bool forced : {false, true}) {
    SCOPED_TRACE(forced);
    RelayRig& rig = Make({.backlog = 1024});
    std::vector<TestPeer> clients;
    for (size_t i = 0; i < 2 * kATurn + 1; ++i) clients.push_back(rig.Dial());
    const auto relaying = [&rig] {
      return static_cast<size_t>(rig.Active(Stage::kRelaying));
    };
    ASSERT_TRUE(rig.DriveUntil([&] { return relaying() == clients.size(); }));
    rig.Pass(seconds(3), seconds(1));
    forced ? rig.worker().EndAll()
           : rig.worker().EndIdle(seconds(2), Duration::zero());
    EXPECT_EQ(relaying(), clients.size());
    rig.Rounds(1);
    EXPECT_EQ(relaying(), kATurn + 1);
    rig.Rounds(2);
    EXPECT_EQ(relaying(), 0u);
    EXPECT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 0; }));
  }
}

// Short of memory, a drain waits and does not spin.
TEST_P(RelayCalls, C09_IdleDrainWithoutMemoryWaits) {
  RelayRig& rig = Make();
  Link link = rig.Open();
  rig.Pass(seconds(3), seconds(1));
  rig.worker().EndIdle(seconds(2), Duration::zero());
  rig.Rounds(1);
  rig.kernel().Inject({.call = Call::kRecv, .error = ENOBUFS, .count = 1000});
  link.client.Send("too late");
  rig.AwaitEvent(rig.kernel().last_accepted(), POLLIN);
  const uint64_t reads = rig.kernel().calls(Call::kRecv);
  rig.Pass(milliseconds(500), milliseconds(1));
  EXPECT_LE(rig.kernel().calls(Call::kRecv) - reads, 60u);
  rig.kernel().Heal();
  rig.Pass(milliseconds(600), milliseconds(10));
  EXPECT_EQ(rig.Discarded(Side::kClient), 8u);
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

INSTANTIATE_RELAY_MATRIX();
INSTANTIATE_RELAY_CALLS();

}  // namespace
}  // namespace weir
