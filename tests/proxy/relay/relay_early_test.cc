// K08, K11 to K15 once more: the client's first bytes are read before there is
// an upstream.

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "proxy/observe/close_reason.h"
#include "proxy/observe/forward_metrics.h"
#include "proxy/relay/buffer_pool.h"
#include "proxy/relay/early_reads.h"
#include "reactor/address.h"
#include "tests/proxy/relay/relay_connecting.h"
#include "tests/proxy/relay/relay_matrix.h"
#include "tests/support/faulty_kernel.h"
#include "tests/support/relay_rig.h"
#include "tests/support/test_peer.h"

namespace weir {
namespace {

using std::chrono::milliseconds;

// A client whose bytes have arrived, though the proxy has not looked yet.
TestPeer Speaking(RelayRig& rig, std::string_view data = "hello") {
  TestPeer client = rig.Dial();
  EXPECT_EQ(client.Send(data), data.size());
  rig.AwaitAcknowledged(client);
  rig.AwaitEvent(rig.listen_fd(), POLLIN);
  return client;
}

// Runs `then` once, right before the proxy's first send.
void BeforeFirstSend(RelayRig& rig, std::function<void(int fd)> then) {
  rig.kernel().SetHook([then, done = false](Call call, int fd) mutable {
    if (call != Call::kSend || done) return;
    done = true;
    then(fd);
  });
}

// The handshake is over, either way, before the proxy's first send.
void AwaitHandshake(RelayRig& rig) {
  BeforeFirstSend(rig, [&rig](int fd) { rig.AwaitEvent(fd, POLLOUT); });
}

// A client whose first bytes were read, while its upstream is not connected.
TestPeer Held(RelayRig& rig) {
  HoldConnect(rig);
  TestPeer client = Speaking(rig);
  EXPECT_TRUE(Connecting(rig));
  EXPECT_EQ(rig.Received(Side::kClient), 5u);
  EXPECT_EQ(rig.Sent(Side::kUpstream), 0u);
  EXPECT_EQ(rig.Lent(), BufferPool::kBufferSize);
  return client;
}

void ExpectDropped(RelayRig& rig) {
  EXPECT_EQ(rig.Received(Side::kClient), 5u);
  EXPECT_EQ(rig.Sent(Side::kUpstream), 0u);
  EXPECT_EQ(rig.Discarded(Side::kClient), 5u);
  EXPECT_EQ(rig.Lent(), 0u);
}

TEST_P(RelayCalls, K14_FirstBytesGoOutInTheRoundOfTheAccept) {
  for (const Wire& wire :
       {kTcpWires[0], kTcpWires[1], Wire{AF_INET, AF_UNIX}}) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    AwaitHandshake(rig);
    TestPeer client = Speaking(rig);
    rig.Rounds(1);
    EXPECT_EQ(rig.Active(Stage::kRelaying), 1);
    EXPECT_EQ(rig.Sent(Side::kUpstream), 5u);
    EXPECT_EQ(rig.Lent(), 0u);
    // One call each, and none to ask whether it is connected.
    const int fd = rig.kernel().last_socket();
    EXPECT_EQ(rig.kernel().calls(Call::kSend), 1u);
    EXPECT_EQ(rig.kernel().calls(Call::kRecv), 1u);
    EXPECT_EQ(rig.kernel().error_reads(fd), 0u);
    TestPeer upstream = rig.Take();
    ASSERT_TRUE(rig.ReadBytes(&upstream, 5));
    EXPECT_EQ(upstream.received(), "hello");
    ASSERT_TRUE(rig.SendAll(&upstream, "answer"));
    ASSERT_TRUE(rig.ReadBytes(&client, 6));
    EXPECT_EQ(rig.Connects(ConnectResult::kOk), 1u);
  }
}

TEST_P(RelayCalls, K14_FirstBytesWaitForTheHandshake) {
  for (const int error : {EAGAIN, ENOBUFS}) {
    SCOPED_TRACE(error);
    RelayRig& rig = Make();
    rig.kernel().Inject({.call = Call::kSend, .error = error});
    TestPeer client = Speaking(rig);
    rig.Rounds(1);
    EXPECT_EQ(rig.Active(Stage::kConnecting), 1);
    EXPECT_EQ(rig.Received(Side::kClient), 5u);
    TestPeer upstream = rig.Take();
    ASSERT_TRUE(rig.ReadBytes(&upstream, 5));
    EXPECT_EQ(upstream.received(), "hello");
    EXPECT_EQ(rig.Lent(), 0u);
  }
}

TEST_P(RelayMatrix, K14_FirstBytesOfMany) {
  for (const Wire& wire : kAllWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    const std::string data = Pattern(600'000);
    TestPeer client = rig.Dial();
    size_t sent = client.Send(data);
    TestPeer upstream = rig.Take();
    ASSERT_TRUE(rig.DriveUntil([&] {
      sent += client.Send(std::string_view(data).substr(sent));
      upstream.Read();
      return upstream.received().size() == data.size();
    }));
    EXPECT_TRUE(upstream.received() == data);
  }
}

TEST_P(RelayMatrix, K14_FirstBytesWithAnUrgentOne) {
  RelayRig& rig = Make();
  TestPeer client = rig.Dial();
  client.Send("aaa");
  client.SendUrgent('!');
  client.Send("bbb");
  rig.AwaitAcknowledged(client);
  TestPeer upstream = rig.Take();
  ASSERT_TRUE(rig.ReadBytes(&upstream, 7));
  EXPECT_EQ(upstream.received(), "aaa!bbb");
}

TEST_P(RelayCalls, K14_WithoutABufferFirstBytesWaitInTheirSocket) {
  RelayRig& rig = Make({.buffer_memory = 0});
  HoldConnect(rig);
  TestPeer client = Speaking(rig);
  ASSERT_TRUE(
      rig.DriveUntil([&] { return rig.Active(Stage::kConnecting) == 1; }));
  EXPECT_EQ(rig.kernel().calls(Call::kRecv), 0u);
  ReallyConnect(rig);
  TestPeer upstream = rig.Take();
  ASSERT_TRUE(rig.ReadBytes(&upstream, 5));
  EXPECT_EQ(upstream.received(), "hello");
}

TEST_P(RelayCalls, K14_OnlyTheFirstBytesAreRead) {
  RelayRig& rig = Make();
  TestPeer client = Held(rig);
  client.Send(" and more");
  rig.AwaitAcknowledged(client);
  for (int i = 0; i < 10; ++i) rig.Round();
  EXPECT_EQ(rig.Received(Side::kClient), 5u);
  ReallyConnect(rig);
  TestPeer upstream = rig.Take();
  ASSERT_TRUE(rig.ReadBytes(&upstream, 14));
  EXPECT_EQ(upstream.received(), "hello and more");
}

// Where clients wait for a greeting, a look each would be a call each.
TEST_P(RelayCalls, K14_SilentClientsAreNotAskedForEver) {
  RelayRig& rig = Make();
  std::vector<Link> links;
  const auto open = [&](int count) {
    for (int i = 0; i < count; ++i) links.push_back(rig.Open());
    return rig.kernel().calls(Call::kRecv);
  };
  EXPECT_EQ(open(EarlyReads::kMisses), EarlyReads::kMisses);
  EXPECT_EQ(open(EarlyReads::kInterval - 1), EarlyReads::kMisses);
  EXPECT_EQ(open(1), EarlyReads::kMisses + 1u);
  EXPECT_EQ(open(EarlyReads::kInterval - 1), EarlyReads::kMisses + 1u);
}

TEST_P(RelayCalls, K14_UnixClientsAreNotAsked) {
  RelayRig& rig = Make({AF_UNIX, AF_INET});
  Link link = rig.Open();
  EXPECT_EQ(rig.kernel().calls(Call::kRecv), 0u);
}

TEST_P(RelayCalls, K08_FirstBytesGoToTheNextAddress) {
  for (const bool pending : {false, true}) {
    SCOPED_TRACE(pending);
    RelayRig& rig = Make();
    rig.Resolve({Address::Loopback(AF_INET, 1), rig.upstream_address()});
    // The refusal is the answer to the first send, or comes as an event.
    if (pending) rig.kernel().Inject({.call = Call::kSend, .error = EAGAIN});
    AwaitHandshake(rig);
    TestPeer client = Speaking(rig);
    TestPeer upstream = rig.Take();
    ASSERT_TRUE(rig.ReadBytes(&upstream, 5));
    EXPECT_EQ(upstream.received(), "hello");
    EXPECT_EQ(rig.Sent(Side::kUpstream), 5u);
    EXPECT_EQ(rig.Discarded(Side::kClient), 0u);
    EXPECT_EQ(rig.Connects(ConnectResult::kRefused), 1u);
    EXPECT_EQ(rig.Connects(ConnectResult::kOk), 1u);
  }
}

TEST_P(RelayCalls, K08_RefusedWithFirstBytes) {
  for (const bool pending : {false, true}) {
    for (const Wire& wire : kTcpWires) {
      SCOPED_TRACE(WireName(wire) + (pending ? ", event" : ", at once"));
      RelayRig& rig = Make(wire);
      rig.StopUpstream();
      if (pending) rig.kernel().Inject({.call = Call::kSend, .error = EAGAIN});
      AwaitHandshake(rig);
      TestPeer client = Speaking(rig);
      EXPECT_EQ(rig.ReadEnd(&client), ECONNRESET);
      EXPECT_EQ(rig.Closed(CloseReason::kConnectRefused), 1u);
      EXPECT_EQ(rig.Connects(ConnectResult::kRefused), 1u);
      ExpectDropped(rig);
    }
  }
}

TEST_P(RelayCalls, K11_FirstBytesAreNotSentToOurselves) {
  for (const Wire& wire : kTcpWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make({.wire = wire, .local_ports = {1, 65535}});
    rig.StopUpstream();
    const Address self = rig.upstream_address();
    rig.kernel().SetHook([&](Call call, int fd) {
      if (call != Call::kConnect) return;
      EXPECT_EQ(::bind(fd, self.data(), self.size()), 0);
    });
    TestPeer client = Speaking(rig);
    EXPECT_EQ(rig.ReadEnd(&client), ECONNRESET);
    EXPECT_EQ(rig.kernel().calls(Call::kSend), 0u);
    EXPECT_EQ(rig.Closed(CloseReason::kConnectRefused), 1u);
    ExpectDropped(rig);
  }
}

TEST_P(RelayCalls, K12_ClientResetsBehindFirstBytes) {
  if (IsSelect()) GTEST_SKIP() << "it sees no hang-up with nothing else armed";
  RelayRig& rig = Make();
  TestPeer client = Held(rig);
  const int fd = rig.kernel().last_accepted();
  client.Reset();
  rig.AwaitEvent(fd, POLLERR);
  rig.Rounds(2);
  EXPECT_EQ(rig.Sessions(), 0u);
  EXPECT_EQ(rig.Closed(CloseReason::kClientReset), 1u);
  ExpectDropped(rig);
}

TEST_P(RelayMatrix, K12_ClientResetsBeforeItIsAccepted) {
  for (const bool data : {false, true}) {
    SCOPED_TRACE(data);
    RelayRig& rig = Make();
    TestPeer client = data ? Speaking(rig) : rig.Dial();
    client.Reset();
    EXPECT_TRUE(rig.DriveUntil(
        [&] { return rig.Accepted() == 1 && rig.Closed() == 1; }));
    EXPECT_EQ(rig.Closed(CloseReason::kClientReset), 1u);
    EXPECT_EQ(rig.Received(Side::kClient),
              rig.Sent(Side::kUpstream) + rig.Discarded(Side::kClient));
  }
}

TEST_P(RelayMatrix, K13_FirstBytesAndFin) {
  for (const Wire& wire : kAllWires) {
    for (const std::string_view data : {"hello", ""}) {
      SCOPED_TRACE(WireName(wire) + (data.empty() ? ", no bytes" : ""));
      RelayRig& rig = Make(wire);
      TestPeer client = rig.Dial();
      client.Send(data);
      client.Shutdown();
      TestPeer upstream = rig.Take();
      EXPECT_EQ(rig.ReadEnd(&upstream), 0);
      EXPECT_EQ(upstream.received(), data);
      ASSERT_TRUE(rig.SendAll(&upstream, "answer"));
      upstream.Shutdown();
      EXPECT_EQ(rig.ReadEnd(&client), 0);
      EXPECT_EQ(client.received(), "answer");
      EXPECT_TRUE(rig.DriveUntil([&] { return rig.Closed() == 1; }));
      EXPECT_EQ(rig.Closed(CloseReason::kClientFin), 1u);
    }
  }
}

// The upstream accepts, speaks and resets before the first bytes are sent.
TEST_P(RelayCalls, K15_UpstreamSpeaksAndResetsBeforeTheFirstSend) {
  for (const Wire& wire : kTcpWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    BeforeFirstSend(rig, [&rig](int fd) {
      rig.AwaitEvent(rig.upstream_fd(), POLLIN);
      TestPeer upstream(
          ::accept4(rig.upstream_fd(), nullptr, nullptr, SOCK_CLOEXEC));
      upstream.Send("banner");
      rig.AwaitAcknowledged(upstream);
      upstream.Reset();
      rig.AwaitEvent(fd, POLLERR);
    });
    TestPeer client = Speaking(rig);
    EXPECT_EQ(rig.ReadEnd(&client), ECONNRESET);
    EXPECT_EQ(client.received(), "banner");
    EXPECT_EQ(rig.Closed(CloseReason::kUpstreamReset), 1u);
    EXPECT_EQ(rig.Connects(ConnectResult::kOk), 1u);
    ExpectDropped(rig);
  }
}

TEST_P(RelayCalls, Move_WithFirstBytes) {
  RelayRig& rig = Make({.reactors = 2});
  TestPeer client = Held(rig);
  ASSERT_TRUE(rig.Move(0, 1));
  EXPECT_EQ(rig.Lent(), BufferPool::kBufferSize);
  ReallyConnect(rig);
  TestPeer upstream = rig.Take();
  ASSERT_TRUE(rig.ReadBytes(&upstream, 5));
  EXPECT_EQ(upstream.received(), "hello");
  ASSERT_TRUE(rig.SendAll(&upstream, "answer"));
  ASSERT_TRUE(rig.ReadBytes(&client, 6));
}

TEST_P(RelayCalls, Drain_WithFirstBytes) {
  RelayRig& rig = Make();
  TestPeer client = Held(rig);
  rig.worker().EndAll();
  EXPECT_EQ(rig.ReadEnd(&client), ECONNRESET);
  EXPECT_EQ(rig.Closed(CloseReason::kDrainForced), 1u);
  ExpectDropped(rig);
}

TEST_P(RelayCalls, K07_ConnectTimesOutWithFirstBytes) {
  RelayRig& rig = Make();
  TestPeer client = Held(rig);
  rig.Pass(milliseconds(5100), milliseconds(100));
  EXPECT_EQ(rig.Closed(CloseReason::kConnectTimeout), 1u);
  EXPECT_EQ(rig.ReadEnd(&client), ECONNRESET);
  ExpectDropped(rig);
}

INSTANTIATE_RELAY_MATRIX();
INSTANTIATE_RELAY_CALLS();

}  // namespace
}  // namespace weir
