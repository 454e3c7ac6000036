// Detach() and Attach() between two reactors, in every stage.

#include <errno.h>
#include <sys/socket.h>

#include <chrono>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "proxy/observe/close_reason.h"
#include "proxy/observe/forward_metrics.h"
#include "proxy/relay/buffer_pool.h"
#include "proxy/relay/session.h"
#include "tests/proxy/relay/relay_matrix.h"
#include "tests/support/faulty_kernel.h"
#include "tests/support/relay_rig.h"
#include "tests/support/test_peer.h"

namespace weir {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

RelayRig::Options Two(const Wire& wire = {}) {
  return {.wire = wire, .reactors = 2};
}

// Wherever the session is, it goes to the other worker.
bool MoveOver(RelayRig& rig) {
  const size_t from = rig.worker(0).sessions() == 1 ? 0 : 1;
  return rig.Move(from, 1 - from) && rig.worker(from).sessions() == 0 &&
         rig.worker(1 - from).sessions() == 1;
}

TEST_P(RelayMatrix, Move_WhileRelaying) {
  for (const Wire& wire : kAllWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(Two(wire));
    Link link = rig.Open();
    const std::string up = Pattern(600'000, 1);
    const std::string down = Pattern(600'000, 2);
    size_t sent_up = 0;
    size_t sent_down = 0;
    int moves = 0;
    ASSERT_TRUE(rig.DriveUntil([&] {
      constexpr size_t kChunk = 100'000;
      const auto part = [](const std::string& data, size_t sent) {
        return std::string_view(data).substr(sent, kChunk);
      };
      sent_up += link.client.Send(part(up, sent_up));
      sent_down += link.upstream.Send(part(down, sent_down));
      link.client.Read(50'000);
      link.upstream.Read(50'000);
      if (++moves <= 20) {
        EXPECT_TRUE(MoveOver(rig));
      }
      return link.upstream.received().size() == up.size() &&
             link.client.received().size() == down.size();
    }));
    EXPECT_TRUE(link.upstream.received() == up);
    EXPECT_TRUE(link.client.received() == down);
    link.client.Shutdown();
    EXPECT_EQ(rig.ReadEnd(&link.upstream), 0);
    link.upstream.Shutdown();
    EXPECT_EQ(rig.ReadEnd(&link.client), 0);
  }
}

TEST_P(RelayMatrix, Move_WithBytesInABuffer) {
  for (const Wire& wire : kAllWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(Two(wire));
    Link link = rig.Open(/*receive_buffer=*/8192);
    const std::string data = rig.SendUntilBlocked(&link.client);
    ASSERT_TRUE(MoveOver(rig));
    if (!noisy()) {  // noise lets go of a buffer when its retry succeeds
      EXPECT_EQ(rig.Lent(), Spliced() ? 0 : BufferPool::kBufferSize);
      EXPECT_EQ(rig.LentPipes(), Spliced() ? 1u : 0u);
      rig.ExpectQuiet();
    }
    link.upstream.SetReceiveBuffer(1 << 20);  // the rest need not be slow
    link.client.Shutdown();
    EXPECT_EQ(rig.ReadEnd(&link.upstream), 0);
    EXPECT_TRUE(link.upstream.received() == data);
    EXPECT_EQ(rig.Lent() + rig.LentPipes(), 0u);
  }
}

// What was read before the move is not read again.
TEST_P(RelayMatrix, Move_WithFinRead) {
  for (const Wire& wire : kAllWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(Two(wire));
    Link link = rig.Open();
    ASSERT_TRUE(rig.SendAll(&link.client, "request"));
    link.client.Shutdown();
    ASSERT_EQ(rig.ReadEnd(&link.upstream), 0);
    ASSERT_TRUE(MoveOver(rig));
    const std::string answer = Pattern(300'000);
    ASSERT_TRUE(rig.SendAll(&link.upstream, answer));
    ASSERT_TRUE(MoveOver(rig));
    link.upstream.Shutdown();
    EXPECT_EQ(rig.ReadEnd(&link.client), 0);
    EXPECT_TRUE(link.client.received() == answer);
    EXPECT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 0; }));
    EXPECT_EQ(rig.Closed(CloseReason::kClientFin), 1u);
  }
}

TEST_P(RelayMatrix, Move_KeepsTheHalfCloseTimer) {
  RelayRig& rig = Make(Two());
  Link link = rig.Open();
  link.client.Shutdown();
  ASSERT_EQ(rig.ReadEnd(&link.upstream), 0);
  rig.AwaitSendQueueBelow(rig.kernel().last_socket(), 1);
  rig.Pass(seconds(40), seconds(1));
  ASSERT_TRUE(MoveOver(rig));
  rig.Pass(seconds(15), seconds(1));
  EXPECT_EQ(rig.Sessions(), 1u);
  rig.Pass(seconds(10), seconds(1));
  EXPECT_EQ(rig.Sessions(), 0u);
  EXPECT_EQ(rig.Closed(CloseReason::kHalfCloseTimeout), 1u);
}

TEST_P(RelayMatrix, Move_WhileWaitingForAName) {
  RelayRig::Options options = Two();
  options.resolved = false;
  RelayRig& rig = Make(options);
  TestPeer client = rig.Dial();
  client.Send("hello");
  ASSERT_TRUE(rig.DriveUntil([&] { return rig.Active(Stage::kWaiting) == 1; }));
  ASSERT_TRUE(MoveOver(rig));
  EXPECT_EQ(rig.Active(Stage::kWaiting), 1);
  rig.Resolve({rig.upstream_address()});
  TestPeer upstream = rig.Take();
  ASSERT_TRUE(rig.ReadBytes(&upstream, 5));
}

TEST_P(RelayMatrix, Move_WhileConnecting) {
  for (const Wire& wire : kTcpWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(Two(wire));
    rig.kernel().Inject({.call = Call::kConnect, .error = EINPROGRESS});
    TestPeer client = rig.Dial();
    client.Send("hello");
    ASSERT_TRUE(
        rig.DriveUntil([&] { return rig.Active(Stage::kConnecting) == 1; }));
    ASSERT_TRUE(MoveOver(rig));
    EXPECT_EQ(rig.Active(Stage::kConnecting), 1);
    const Address& address = rig.upstream_address();
    ::connect(rig.kernel().last_socket(), address.data(), address.size());
    ASSERT_TRUE(MoveOver(rig));
    TestPeer upstream = rig.Take();
    ASSERT_TRUE(rig.ReadBytes(&upstream, 5));
    ASSERT_TRUE(rig.SendAll(&upstream, "there"));
    ASSERT_TRUE(rig.ReadBytes(&client, 5));
  }
}

TEST_P(RelayMatrix, Move_KeepsTheConnectDeadline) {
  RelayRig::Options options = Two();
  options.backlog = 0;
  RelayRig& rig = Make(options);
  const Address& address = rig.upstream_address();
  TestPeer other(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(other.fd(), address.data(), address.size()), 0);
  TestPeer client = rig.Dial();
  ASSERT_TRUE(
      rig.DriveUntil([&] { return rig.Active(Stage::kConnecting) == 1; }));
  rig.Pass(seconds(3), milliseconds(100));
  ASSERT_TRUE(MoveOver(rig));
  rig.Pass(milliseconds(2100), milliseconds(100));
  EXPECT_EQ(rig.Closed(CloseReason::kConnectTimeout), 1u);
  EXPECT_EQ(rig.ReadEnd(&client), ECONNRESET);
}

TEST_P(RelayMatrix, Move_WhileAborting) {
  RelayRig& rig = Make(Two());
  Link link = rig.Open(/*receive_buffer=*/8192);
  const std::string data = Pattern(100'000);
  ASSERT_TRUE(rig.SendAll(&link.upstream, data));
  ASSERT_TRUE(
      rig.DriveUntil([&] { return link.upstream.unacknowledged() == 0; }));
  link.upstream.Reset();
  ASSERT_TRUE(
      rig.DriveUntil([&] { return rig.Active(Stage::kAborting) == 1; }));
  ASSERT_TRUE(MoveOver(rig));
  EXPECT_EQ(rig.ReadEnd(&link.client), ECONNRESET);
  EXPECT_TRUE(link.client.received() == data);
  EXPECT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 0; }));
  EXPECT_EQ(rig.Closed(CloseReason::kUpstreamReset), 1u);
}

// The contract of Detach(): the session is gone when `done` runs.
TEST_P(RelayCalls, Move_TheSessionIsGoneWhenDoneRuns) {
  RelayRig& rig = Make(Two());
  Link link = rig.Open();
  const size_t from = rig.worker(0).sessions() == 1 ? 0 : 1;
  uint64_t id = 1;
  while (rig.worker(from).Find(id) == nullptr) ++id;
  bool done = false;
  rig.worker(from).Find(id)->Detach([&](SessionState state) {
    EXPECT_EQ(rig.worker(from).Find(id), nullptr);
    EXPECT_EQ(rig.loads().Load(from), 0);
    rig.worker(1 - from).Attach(std::move(state));
    done = true;
  });
  ASSERT_TRUE(rig.DriveUntil([&] { return done; }));
  EXPECT_EQ(rig.loads().Load(1 - from), 1);
}

// Accepted on one reactor, served on another.
TEST_P(RelayMatrix, Move_HandOverThroughTheMailbox) {
  RelayRig::Options options = Two();
  options.shard = ShardPolicy::kRoundRobin;
  RelayRig& rig = Make(options);
  Link first = rig.Open();
  Link second = rig.Open();
  EXPECT_EQ(rig.worker(0).sessions(), 1u);
  EXPECT_EQ(rig.worker(1).sessions(), 1u);
  for (Link* link : {&first, &second}) {
    ASSERT_TRUE(rig.SendAll(&link->client, "x"));
    ASSERT_TRUE(rig.ReadBytes(&link->upstream, 1));
  }
}

INSTANTIATE_RELAY_MATRIX();
INSTANTIATE_RELAY_CALLS();

}  // namespace
}  // namespace weir
