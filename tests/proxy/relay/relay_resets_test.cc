// C05 to C08, C10, C11, C17: streams that end with a reset.

#include <errno.h>
#include <poll.h>

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

constexpr size_t kMuch = 600'000;

// `from` sends `data`, which the proxy's kernel takes, and then resets. `to`
// reads only afterwards.
void ResetBehind(RelayRig& rig, TestPeer* from, TestPeer* to,
                 const std::string& data) {
  ASSERT_TRUE(rig.SendAll(from, data));
  ASSERT_TRUE(rig.DriveUntil([&] { return from->unacknowledged() == 0; }));
  from->Reset();
  for (int i = 0; i < 20; ++i) rig.Round();
  EXPECT_EQ(rig.ReadEnd(to), ECONNRESET);
  EXPECT_TRUE(to->received() == data)
      << to->received().size() << " of " << data.size() << " bytes";
}

TEST_P(RelayMatrix, C05_DataThenResetFromUpstream) {
  for (const Wire& wire : kTcpWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    Link link = rig.Open();
    ResetBehind(rig, &link.upstream, &link.client, Pattern(kMuch));
    EXPECT_TRUE(rig.DriveUntil([&] { return rig.Closed() == 1; }));
    EXPECT_EQ(rig.Closed(CloseReason::kUpstreamReset), 1u);
  }
}

TEST_P(RelayMatrix, C05_DataThenResetFromClient) {
  for (const Wire& wire : kTcpWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    Link link = rig.Open();
    ResetBehind(rig, &link.client, &link.upstream, Pattern(kMuch));
    EXPECT_TRUE(rig.DriveUntil([&] { return rig.Closed() == 1; }));
    EXPECT_EQ(rig.Closed(CloseReason::kClientReset), 1u);
  }
}

// The reset comes while nothing can be read, for the client takes no more.
TEST_P(RelayMatrix, C05_ResetWhileBackPressured) {
  RelayRig& rig = Make();
  Link link = rig.Open(/*receive_buffer=*/8192);
  const std::string data = rig.SendUntilBlocked(&link.upstream);
  ASSERT_TRUE(
      rig.DriveUntil([&] { return link.upstream.unacknowledged() == 0; }));
  link.upstream.Reset();
  if (IsSelect()) {
    // It cannot see a hang-up with nothing else armed: the client's next read
    // brings it up. (Under noise a retry may have been under way.)
    for (int i = 0; i < 20; ++i) rig.Round();
    if (!noisy()) {
      EXPECT_EQ(rig.Active(Stage::kAborting), 0);
    }
  } else {
    EXPECT_TRUE(
        rig.DriveUntil([&] { return rig.Active(Stage::kAborting) == 1; }));
  }
  EXPECT_EQ(rig.ReadEnd(&link.client), ECONNRESET);
  EXPECT_TRUE(link.client.received() == data)
      << link.client.received().size() << " of " << data.size() << " bytes";
  EXPECT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 0; }));
  EXPECT_EQ(rig.Closed(CloseReason::kUpstreamReset), 1u);
}

// While the upstream's last bytes are flushed, the client is neither read nor
// armed.
TEST_P(RelayCalls, C05_TargetIsNotReadWhileFlushing) {
  RelayRig& rig = Make();
  Link link = rig.Open(/*receive_buffer=*/8192);
  const int client = rig.kernel().last_accepted();
  ASSERT_TRUE(rig.SendAll(&link.upstream, Pattern(100'000)));
  rig.AwaitAcknowledged(link.upstream);
  link.upstream.Reset();
  ASSERT_TRUE(
      rig.DriveUntil([&] { return rig.Active(Stage::kAborting) == 1; }));
  const uint64_t reads = rig.kernel().calls(Call::kRecv, client);
  link.client.Send("nobody hears this");
  for (int i = 0; i < 20; ++i) rig.Round();
  EXPECT_EQ(rig.kernel().calls(Call::kRecv, client), reads);
  EXPECT_EQ(rig.Active(Stage::kAborting), 1);
}

// The reset to the other side waits for its acknowledgements, looked at after
// 1, 2, 4 ... 256 ms.
TEST_P(RelayCalls, C05_LooksBackOff) {
  RelayRig& rig = Make();
  Link link = rig.Open(/*receive_buffer=*/8192);
  const int client = rig.kernel().last_accepted();
  ASSERT_TRUE(rig.SendAll(&link.upstream, Pattern(100'000)));
  rig.AwaitAcknowledged(link.upstream);
  link.upstream.Reset();
  ASSERT_TRUE(
      rig.DriveUntil([&] { return rig.Active(Stage::kAborting) == 1; }));
  RelayRig::AwaitSendQueueStill(client);
  rig.Pass(std::chrono::seconds(1), std::chrono::milliseconds(1));
  const uint64_t looks = rig.kernel().calls(Call::kSendQueue, client);
  rig.Pass(std::chrono::seconds(10), std::chrono::milliseconds(16));
  const uint64_t more = rig.kernel().calls(Call::kSendQueue, client) - looks;
  EXPECT_GE(more, 10'000u / 288);
  // The client's kernel acknowledges in real time: the queue may shrink twice
  // more, and each time eight quick looks follow.
  EXPECT_LE(more, 10'000u / 256 + 3 + 2 * 8);
  EXPECT_EQ(rig.Active(Stage::kAborting), 1);
}

TEST_P(RelayCalls, C05_GivenUpWithoutProgress) {
  RelayRig& rig = Make();
  Link link = rig.Open(/*receive_buffer=*/32768);
  const int client = rig.kernel().last_accepted();
  ASSERT_TRUE(rig.SendAll(&link.upstream, Pattern(kMuch)));
  ASSERT_TRUE(
      rig.DriveUntil([&] { return link.upstream.unacknowledged() == 0; }));
  link.upstream.Reset();
  for (int i = 0; i < 20; ++i) rig.Round();
  // A client that reads now and then may take as long as it likes.
  for (int i = 0; i < 5; ++i) {
    rig.Pass(std::chrono::seconds(50), std::chrono::milliseconds(500));
    ASSERT_EQ(rig.Sessions(), 1u) << "after " << i << " reads";
    rig.ReadUntilSendQueueShrinks(&link.client, client);
  }
  RelayRig::AwaitSendQueueStill(client);
  rig.Rounds(2);
  // Twice the time, for what the last read made room for comes in real time.
  rig.Pass(std::chrono::seconds(122), std::chrono::milliseconds(500));
  EXPECT_EQ(rig.Sessions(), 0u);
  EXPECT_EQ(rig.ReadEnd(&link.client), ECONNRESET);
  EXPECT_EQ(rig.Closed(CloseReason::kUpstreamReset), 1u);
}

// What waits in a queue is lost when the target itself is gone: the session
// ends at once.
TEST_P(RelayMatrix, C05_TargetDiesWhileFlushing) {
  RelayRig& rig = Make();
  Link link = rig.Open(/*receive_buffer=*/8192);
  ASSERT_TRUE(rig.SendAll(&link.upstream, Pattern(100'000)));
  ASSERT_TRUE(
      rig.DriveUntil([&] { return link.upstream.unacknowledged() == 0; }));
  link.upstream.Reset();
  ASSERT_TRUE(
      rig.DriveUntil([&] { return rig.Active(Stage::kAborting) == 1; }));
  link.client.Reset();
  if (IsSelect()) {
    // It cannot see that hang-up: the flush is given up in its own time.
    rig.Pass(std::chrono::seconds(61), std::chrono::milliseconds(500));
  }
  EXPECT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 0; }));
  EXPECT_EQ(rig.Closed(CloseReason::kUpstreamReset), 1u);
}

// AF_UNIX has no reset: the client sees all bytes and then an end, and only the
// log and the metric know better.
TEST_P(RelayMatrix, C05_TowardsAUnixClientAnEnd) {
  RelayRig& rig = Make({AF_UNIX, AF_INET});
  Link link = rig.Open();
  const std::string data = Pattern(100'000);
  ASSERT_TRUE(rig.SendAll(&link.upstream, data));
  ASSERT_TRUE(
      rig.DriveUntil([&] { return link.upstream.unacknowledged() == 0; }));
  link.upstream.Reset();
  EXPECT_EQ(rig.ReadEnd(&link.client), 0);
  EXPECT_TRUE(link.client.received() == data);
  EXPECT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 0; }));
  EXPECT_EQ(rig.Closed(CloseReason::kUpstreamReset), 1u);
}

// A unix upstream that closes with unread bytes in its queue: the one case that
// AF_UNIX tells as a reset.
TEST_P(RelayMatrix, C05_UnixUpstreamClosesWithUnreadInput) {
  RelayRig& rig = Make({AF_INET, AF_UNIX});
  Link link = rig.Open();
  ASSERT_TRUE(rig.SendAll(&link.client, "unread"));
  ASSERT_TRUE(rig.DriveUntil([&] { return link.upstream.unread() > 0; }));
  ASSERT_TRUE(rig.SendAll(&link.upstream, "answer"));
  ASSERT_TRUE(rig.ReadBytes(&link.client, 6));
  link.upstream.Close();
  EXPECT_EQ(rig.ReadEnd(&link.client), ECONNRESET);
  EXPECT_EQ(link.client.received(), "answer");
  EXPECT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 0; }));
  EXPECT_EQ(rig.Closed(CloseReason::kUpstreamReset), 1u);
}

TEST_P(RelayCalls, C06_ResetIsPassedOnWithinOneTurn) {
  for (const Wire& wire : kTcpWires) {
    for (const bool from_client : {true, false}) {
      SCOPED_TRACE(WireName(wire) + (from_client ? ", client" : ", upstream"));
      RelayRig& rig = Make(wire);
      Link link = rig.Open();
      const int fd = from_client ? rig.kernel().last_accepted()
                                 : rig.kernel().last_socket();
      TestPeer& from = from_client ? link.client : link.upstream;
      TestPeer& to = from_client ? link.upstream : link.client;
      rig.Rounds(10);
      from.Reset();
      rig.AwaitEvent(fd, 0);
      rig.Rounds(1);
      EXPECT_EQ(rig.Closed(), 1u);
      // io_uring closes when the poll that it removed was reaped.
      rig.Rounds(1);
      rig.AwaitEvent(to.fd(), 0);
      to.Read();
      EXPECT_EQ(to.end(), ECONNRESET);
      EXPECT_EQ(rig.Closed(from_client ? CloseReason::kClientReset
                                       : CloseReason::kUpstreamReset),
                1u);
    }
  }
}

// The upstream answers early and resets, and the first to find out is a send of
// what the client sent meanwhile, which takes the socket's error away: the
// answer still arrives, then a reset and not an end.
TEST_P(RelayMatrix, C07_AnswerSurvivesAFailedSend) {
  for (const Wire& wire : kTcpWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    Link link = rig.Open();
    const std::string answer = Pattern(50'000);
    ASSERT_EQ(link.upstream.Send(answer), answer.size());
    rig.AwaitAcknowledged(link.upstream);
    link.upstream.Reset();
    ASSERT_EQ(link.client.Send("late"), 4u);
    rig.AwaitAcknowledged(link.client);
    EXPECT_EQ(rig.ReadEnd(&link.client), ECONNRESET);
    EXPECT_TRUE(link.client.received() == answer)
        << link.client.received().size() << " bytes";
    EXPECT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 0; }));
    EXPECT_EQ(rig.Closed(CloseReason::kUpstreamReset), 1u);
  }
}

TEST_P(RelayCalls, C07_SendErrorsAreStored) {
  for (const int error : {EPIPE, ECONNRESET}) {
    SCOPED_TRACE(error);
    RelayRig& rig = Make();
    Link link = rig.Open();
    rig.kernel().Inject({.call = Call::kSend,
                         .error = error,
                         .fd = rig.kernel().last_socket()});
    ASSERT_EQ(link.upstream.Send("answer"), 6u);
    rig.AwaitAcknowledged(link.upstream);
    ASSERT_EQ(link.client.Send("late"), 4u);
    // The upstream lives, but the proxy was told that it does not: what it sent
    // until then is delivered.
    ASSERT_TRUE(rig.ReadBytes(&link.client, 6));
    link.upstream.Shutdown();
    EXPECT_EQ(rig.ReadEnd(&link.client), ECONNRESET);
    EXPECT_EQ(link.client.received(), "answer");
    EXPECT_EQ(rig.Closed(CloseReason::kUpstreamReset), 1u);
  }
}

TEST_P(RelayMatrix, C08_FinWasAFullClose) {
  for (const Wire& wire : kTcpWires) {
    for (const bool from_client : {true, false}) {
      SCOPED_TRACE(WireName(wire) + (from_client ? ", client" : ", upstream"));
      RelayRig& rig = Make(wire);
      Link link = rig.Open();
      TestPeer& from = from_client ? link.client : link.upstream;
      TestPeer& to = from_client ? link.upstream : link.client;
      from.Close();
      EXPECT_EQ(rig.ReadEnd(&to), 0);
      to.Send("nobody is there");
      EXPECT_TRUE(rig.DriveUntil([&] {
        // select cannot see the hang-up of a socket that it waits for in no
        // other way: there the next send finds out.
        if (IsSelect()) to.Send("x");
        return rig.Sessions() == 0;
      }));
      EXPECT_EQ(rig.Closed(from_client ? CloseReason::kClientReset
                                       : CloseReason::kUpstreamReset),
                1u);
      // A peer that had the FIN learns of the reset when it goes on.
      EXPECT_TRUE(rig.DriveUntil([&] {
        to.Send("x");
        return to.send_error() != 0;
      }));
    }
  }
}

TEST_P(RelayMatrix, C10_CloseWithUnreadInputIsAReset) {
  for (const Wire& wire : kTcpWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    Link link = rig.Open();
    ASSERT_TRUE(rig.SendAll(&link.client, "unread"));
    ASSERT_TRUE(rig.DriveUntil([&] { return link.upstream.unread() > 0; }));
    ASSERT_TRUE(rig.SendAll(&link.upstream, "answer"));
    ASSERT_TRUE(
        rig.DriveUntil([&] { return link.upstream.unacknowledged() == 0; }));
    link.upstream.Close();
    EXPECT_EQ(rig.ReadEnd(&link.client), ECONNRESET);
    EXPECT_EQ(link.client.received(), "answer");
  }
}

TEST_P(RelayCalls, C11_LostPeers) {
  for (const int error : {ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, EPROTO}) {
    for (const bool client_lost : {true, false}) {
      SCOPED_TRACE(testing::Message()
                   << error << (client_lost ? " client" : " upstream"));
      RelayRig& rig = Make();
      Link link = rig.Open();
      TestPeer& from = client_lost ? link.client : link.upstream;
      TestPeer& to = client_lost ? link.upstream : link.client;
      ASSERT_TRUE(rig.SendAll(&from, "before"));
      ASSERT_TRUE(rig.ReadBytes(&to, 6));
      rig.kernel().Inject({.call = Call::kRecv,
                           .error = error,
                           .fd = client_lost ? rig.kernel().last_accepted()
                                             : rig.kernel().last_socket()});
      ASSERT_TRUE(rig.SendAll(&from, "x"));
      EXPECT_EQ(rig.ReadEnd(&to), ECONNRESET);
      EXPECT_EQ(to.received(), "before");
      EXPECT_TRUE(rig.DriveUntil([&] { return rig.Closed() == 1; }));
      EXPECT_EQ(rig.Closed(client_lost ? CloseReason::kClientLost
                                       : CloseReason::kUpstreamLost),
                1u);
    }
  }
}

TEST_P(RelayMatrix, C17_BothResetAtOnce) {
  for (const Wire& wire : kTcpWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    Link link = rig.Open();
    link.client.Send("a");
    link.upstream.Send("b");
    link.client.Reset();
    link.upstream.Reset();
    EXPECT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 0; }));
    EXPECT_EQ(rig.Closed(), 1u);
  }
}

INSTANTIATE_RELAY_MATRIX();
INSTANTIATE_RELAY_CALLS();

}  // namespace
}  // namespace weir
