// C01 to C03, C10, C15, C17: streams that end with FIN.

#include <string>

#include "gtest/gtest.h"
#include "proxy/observe/close_reason.h"
#include "proxy/observe/forward_metrics.h"
#include "proxy/relay/buffer_pool.h"
#include "tests/proxy/relay/relay_matrix.h"
#include "tests/support/faulty_kernel.h"
#include "tests/support/relay_rig.h"
#include "tests/support/test_peer.h"

namespace weir {
namespace {

constexpr size_t kAnswer = 300'000;

TEST_P(RelayMatrix, C01_AnswerAfterTheClientsFin) {
  for (const Wire& wire : kAllWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    Link link = rig.Open();
    ASSERT_TRUE(rig.SendAll(&link.client, "request"));
    link.client.Shutdown();
    EXPECT_EQ(rig.ReadEnd(&link.upstream), 0);
    EXPECT_EQ(link.upstream.received(), "request");
    EXPECT_EQ(rig.Sessions(), 1u);
    const std::string answer = Pattern(kAnswer);
    ASSERT_TRUE(rig.SendAll(&link.upstream, answer));
    link.upstream.Shutdown();
    EXPECT_EQ(rig.ReadEnd(&link.client), 0);
    EXPECT_TRUE(link.client.received() == answer);
    EXPECT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 0; }));
    EXPECT_EQ(rig.Closed(CloseReason::kClientFin), 1u);
  }
}

TEST_P(RelayMatrix, C01_RequestAfterTheUpstreamsFin) {
  for (const Wire& wire : kAllWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    Link link = rig.Open();
    ASSERT_TRUE(rig.SendAll(&link.upstream, "banner"));
    link.upstream.Shutdown();
    EXPECT_EQ(rig.ReadEnd(&link.client), 0);
    EXPECT_EQ(link.client.received(), "banner");
    const std::string request = Pattern(kAnswer);
    ASSERT_TRUE(rig.SendAll(&link.client, request));
    link.client.Shutdown();
    EXPECT_EQ(rig.ReadEnd(&link.upstream), 0);
    EXPECT_TRUE(link.upstream.received() == request);
    EXPECT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 0; }));
    EXPECT_EQ(rig.Closed(CloseReason::kUpstreamFin), 1u);
  }
}

TEST_P(RelayCalls, C01_OneShutdownForEachFin) {
  RelayRig& rig = Make();
  Link link = rig.Open();
  const int client = rig.kernel().last_accepted();
  const int upstream = rig.kernel().last_socket();
  link.client.Shutdown();
  EXPECT_EQ(rig.ReadEnd(&link.upstream), 0);
  rig.ExpectQuiet();
  EXPECT_EQ(rig.kernel().calls(Call::kShutdown, upstream), 1u);
  EXPECT_EQ(rig.kernel().calls(Call::kShutdown, client), 0u);
  ASSERT_TRUE(rig.SendAll(&link.upstream, "more"));
  ASSERT_TRUE(rig.ReadBytes(&link.client, 4));
  link.upstream.Shutdown();
  EXPECT_EQ(rig.ReadEnd(&link.client), 0);
  EXPECT_EQ(rig.kernel().calls(Call::kShutdown, upstream), 1u);
  EXPECT_EQ(rig.kernel().calls(Call::kShutdown, client), 0u)
      << "the close tells it";
}

TEST_P(RelayMatrix, C02_BothFinsCloseCleanly) {
  for (const Wire& wire : kAllWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    Link link = rig.Open();
    ASSERT_TRUE(rig.SendAll(&link.client, "to"));
    ASSERT_TRUE(rig.SendAll(&link.upstream, "fro"));
    link.upstream.Shutdown();
    EXPECT_EQ(rig.ReadEnd(&link.client), 0);
    link.client.Shutdown();
    EXPECT_EQ(rig.ReadEnd(&link.upstream), 0);
    EXPECT_EQ(link.upstream.received(), "to");
    EXPECT_EQ(link.client.received(), "fro");
    EXPECT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 0; }));
    EXPECT_EQ(rig.Closed(CloseReason::kUpstreamFin), 1u);
    EXPECT_EQ(rig.Closed(), 1u);
  }
}

TEST_P(RelayMatrix, C03_FinBehindBlockedData) {
  for (const Wire& wire : kAllWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    Link link = rig.Open(/*receive_buffer=*/8192);
    const std::string data = rig.SendUntilBlocked(&link.client);
    link.client.Shutdown();
    if (!noisy()) rig.ExpectQuiet();
    EXPECT_EQ(rig.Active(Stage::kRelaying), 1);
    EXPECT_EQ(rig.ReadEnd(&link.upstream), 0);
    EXPECT_TRUE(link.upstream.received() == data);
    ASSERT_TRUE(rig.SendAll(&link.upstream, "answer"));
    link.upstream.Shutdown();
    EXPECT_EQ(rig.ReadEnd(&link.client), 0);
    EXPECT_EQ(link.client.received(), "answer");
  }
}

// Then the client's socket has hung up without an error, for ever, while nobody
// can read it.
TEST_P(RelayMatrix, C03_BothFinsWhileBlocked) {
  for (const Wire& wire : kAllWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    Link link = rig.Open(/*receive_buffer=*/8192);
    link.upstream.Shutdown();
    EXPECT_EQ(rig.ReadEnd(&link.client), 0);
    const std::string data = rig.SendUntilBlocked(&link.client);
    link.client.Shutdown();
    if (!noisy()) rig.ExpectQuiet();
    EXPECT_EQ(rig.ReadEnd(&link.upstream), 0);
    EXPECT_TRUE(link.upstream.received() == data);
    EXPECT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 0; }));
    EXPECT_EQ(rig.Closed(CloseReason::kUpstreamFin), 1u);
  }
}

TEST_P(RelayCalls, C03_NoReadWhileBlocked) {
  RelayRig& rig = Make();
  Link link = rig.Open(/*receive_buffer=*/8192);
  (void)rig.SendUntilBlocked(&link.client);
  rig.ExpectQuiet();
  const int client = rig.kernel().last_accepted();
  const uint64_t reads = rig.kernel().calls(Call::kRecv, client);
  link.client.Send("more");
  link.client.Shutdown();
  rig.Rounds(100);
  EXPECT_EQ(rig.kernel().calls(Call::kRecv, client), reads);
  EXPECT_EQ(rig.Lent(), BufferPool::kBufferSize);
}

TEST_P(RelayMatrix, C10_NoInputIsLeftUnreadAtAGracefulEnd) {
  // The upstream ends at once, the client is still sending: were the session
  // closed with the client's bytes unread, the kernel would reset the client.
  RelayRig& rig = Make();
  Link link = rig.Open();
  const std::string data = Pattern(kAnswer);
  link.upstream.Shutdown();
  link.client.Send("first");
  EXPECT_EQ(rig.ReadEnd(&link.client), 0);
  ASSERT_TRUE(rig.SendAll(&link.client, data));
  link.client.Shutdown();
  EXPECT_EQ(rig.ReadEnd(&link.upstream), 0);
  EXPECT_TRUE(link.upstream.received() == "first" + data);
  EXPECT_EQ(link.client.end(), 0);
  EXPECT_TRUE(rig.DriveUntil([&] { return rig.Closed() == 1; }));
  EXPECT_EQ(rig.Closed(CloseReason::kUpstreamFin), 1u);
}

TEST_P(RelayMatrix, C15_NoBytesAtAll) {
  for (const Wire& wire : kAllWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    TestPeer client = rig.Dial();
    client.Shutdown();
    TestPeer upstream = rig.Take();
    EXPECT_EQ(rig.ReadEnd(&upstream), 0);
    EXPECT_EQ(upstream.received(), "");
    ASSERT_TRUE(rig.SendAll(&upstream, "banner"));
    upstream.Close();
    EXPECT_EQ(rig.ReadEnd(&client), 0);
    EXPECT_EQ(client.received(), "banner");
    EXPECT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 0; }));
    EXPECT_EQ(rig.Closed(CloseReason::kClientFin), 1u);
  }
}

TEST_P(RelayMatrix, C17_BothEndAtOnce) {
  for (const Wire& wire : kAllWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    Link link = rig.Open();
    link.client.Send("a");
    link.upstream.Send("b");
    link.client.Shutdown();
    link.upstream.Shutdown();
    EXPECT_EQ(rig.ReadEnd(&link.client), 0);
    EXPECT_EQ(rig.ReadEnd(&link.upstream), 0);
    EXPECT_EQ(link.client.received(), "b");
    EXPECT_EQ(link.upstream.received(), "a");
    EXPECT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 0; }));
    EXPECT_EQ(rig.Closed(), 1u);
  }
}

TEST_P(RelayCalls, C17_EachDescriptorIsClosedOnce) {
  RelayRig& rig = Make();
  Link link = rig.Open();
  const int client = rig.kernel().last_accepted();
  const int upstream = rig.kernel().last_socket();
  link.client.Reset();
  link.upstream.Reset();
  EXPECT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 0; }));
  rig.Rounds(10);
  EXPECT_EQ(rig.Closed(), 1u);
  EXPECT_EQ(rig.kernel().calls(Call::kClose, client), 1u);
  EXPECT_EQ(rig.kernel().calls(Call::kClose, upstream), 1u);
}

INSTANTIATE_RELAY_MATRIX();
INSTANTIATE_RELAY_CALLS();

}  // namespace
}  // namespace weir
