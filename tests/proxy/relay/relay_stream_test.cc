// C14, C16, I4, I7, I8: the stream itself, memory and fairness.

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "proxy/observe/forward_metrics.h"
#include "proxy/relay/buffer_pool.h"
#include "proxy/relay/pipe_pool.h"
#include "proxy/relay/pump.h"
#include "tests/proxy/relay/relay_matrix.h"
#include "tests/support/faulty_kernel.h"
#include "tests/support/relay_rig.h"
#include "tests/support/test_peer.h"

namespace weir {
namespace {

// Both ways: with buffers, and without any (the path that peeks).
constexpr size_t kMemories[] = {16 << 20, 0};

TEST_P(RelayMatrix, C14_UrgentByteStaysInTheStream) {
  for (const Wire& wire : kTcpWires) {
    for (const size_t memory : kMemories) {
      SCOPED_TRACE(WireName(wire));
      SCOPED_TRACE(memory);
      RelayRig& rig = Make({.wire = wire, .buffer_memory = memory});
      Link link = rig.Open();
      for (TestPeer* from : {&link.client, &link.upstream}) {
        TestPeer* to = from == &link.client ? &link.upstream : &link.client;
        ASSERT_TRUE(rig.SendAll(from, "aaa"));
        from->SendUrgent('!');
        ASSERT_TRUE(rig.SendAll(from, "bbb"));
        ASSERT_TRUE(rig.ReadBytes(to, 7));
        EXPECT_EQ(to->received(), "aaa!bbb");
        // A lone one, and what follows when it was read.
        from->SendUrgent('?');
        ASSERT_TRUE(rig.ReadBytes(to, 8));
        if (!noisy()) rig.ExpectQuiet();
        ASSERT_TRUE(rig.SendAll(from, "zzz"));
        ASSERT_TRUE(rig.ReadBytes(to, 11));
        EXPECT_EQ(to->received(), "aaa!bbb?zzz");
        from->SendUrgent('.');
        from->Shutdown();
        EXPECT_EQ(rig.ReadEnd(to), 0);
        EXPECT_EQ(to->received(), "aaa!bbb?zzz.");
      }
    }
  }
}

TEST_P(RelayMatrix, C16_SizesAroundTheBuffer) {
  for (const Wire& wire : kAllWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    for (const size_t size :
         {size_t{1}, BufferPool::kBufferSize - 1, BufferPool::kBufferSize,
          BufferPool::kBufferSize + 1, Pump::kBudget + 1}) {
      SCOPED_TRACE(size);
      Link link = rig.Open();
      const std::string data = Pattern(size);
      ASSERT_TRUE(rig.SendAll(&link.client, data));
      ASSERT_TRUE(rig.SendAll(&link.upstream, data));
      ASSERT_TRUE(rig.ReadBytes(&link.upstream, size));
      ASSERT_TRUE(rig.ReadBytes(&link.client, size));
      EXPECT_TRUE(link.upstream.received() == data);
      EXPECT_TRUE(link.client.received() == data);
    }
  }
}

TEST_P(RelayMatrix, C16_OneByteSegments) {
  RelayRig& rig = Make();
  Link link = rig.Open();
  link.client.SetNoDelay();
  const std::string data = Pattern(1000);
  for (const char c : data) {
    ASSERT_TRUE(rig.SendAll(&link.client, std::string_view(&c, 1)));
    rig.Rounds(1);
  }
  ASSERT_TRUE(rig.ReadBytes(&link.upstream, data.size()));
  EXPECT_TRUE(link.upstream.received() == data);
}

// Unix peers may be read in pieces: a short read is no empty queue.
TEST_P(RelayCalls, C16_ShortReadsOfUnixSockets) {
  RelayRig& rig = Make({AF_UNIX, AF_UNIX});
  rig.kernel().LimitUnixReads(777);
  Link link = rig.Open();
  const std::string data = Pattern(100'000);
  ASSERT_TRUE(rig.SendAll(&link.client, data));
  ASSERT_TRUE(rig.ReadBytes(&link.upstream, data.size()));
  EXPECT_TRUE(link.upstream.received() == data);
}

TEST_P(RelayCalls, C16_ShortSends) {
  for (const size_t memory : kMemories) {
    RelayRig& rig = Make({.buffer_memory = memory});
    rig.kernel().LimitSends(1001);
    Link link = rig.Open();
    const std::string data = Pattern(100'000);
    ASSERT_TRUE(rig.SendAll(&link.client, data));
    ASSERT_TRUE(rig.ReadBytes(&link.upstream, data.size()));
    EXPECT_TRUE(link.upstream.received() == data);
  }
}

// The kernel is short of memory for a while: nothing is lost, nothing spins.
TEST_P(RelayCalls, C16_StarvedKernel) {
  for (const Call call : {Call::kRecv, Call::kSend}) {
    for (const int error : {ENOBUFS, ENOMEM}) {
      for (const size_t memory : kMemories) {
        RelayRig& rig = Make({.buffer_memory = memory});
        Link link = rig.Open();
        rig.kernel().Inject({.call = call, .error = error, .count = 3});
        ASSERT_TRUE(rig.SendAll(&link.client, "abc"));
        rig.AwaitAcknowledged(link.client);
        rig.Rounds(20);
        // The clock stands still, and it is tried again only after a while.
        EXPECT_EQ(rig.Sent(Side::kUpstream), 0u);
        rig.ExpectQuiet();
        ASSERT_TRUE(rig.ReadBytes(&link.upstream, 3));
        EXPECT_EQ(link.upstream.received(), "abc");
      }
    }
  }
}

// I4: a reader that stalls costs at most a buffer, and without one nothing.
TEST_P(RelayMatrix, C03_StalledReadersCostABufferAtMost) {
  for (const size_t memory :
       {size_t{0}, BufferPool::kBufferSize, 2 * BufferPool::kLargeSize}) {
    SCOPED_TRACE(memory);
    RelayRig& rig = Make({.buffer_memory = memory});
    constexpr size_t kEach = 4 << 20;
    const std::string data = Pattern(kEach);
    std::vector<Link> links;
    std::vector<size_t> sent(3);
    for (size_t i = 0; i < sent.size(); ++i) {
      links.push_back(rig.Open(/*receive_buffer=*/16384));
    }
    // Until no byte moves any more.
    uint64_t moved = 1;
    for (int idle = 0; idle < 20;) {
      for (size_t i = 0; i < sent.size(); ++i) {
        sent[i] += links[i].client.Send(
            std::string_view(data).substr(sent[i], kEach - sent[i]));
      }
      rig.Round();
      EXPECT_LE(rig.Lent(), memory);
      const uint64_t now = rig.Sent(Side::kUpstream);
      idle = now == moved ? idle + 1 : 0;
      moved = now;
    }
    if (!noisy()) rig.ExpectQuiet();
    // Somebody else still gets through.
    {
      Link other = rig.Open();
      ASSERT_TRUE(rig.SendAll(&other.client, "hello"));
      ASSERT_TRUE(rig.ReadBytes(&other.upstream, 5));
    }
    for (size_t i = 0; i < sent.size(); ++i) {
      ASSERT_TRUE(rig.DriveUntil([&] {
        sent[i] += links[i].client.Send(std::string_view(data).substr(sent[i]));
        links[i].upstream.Read();
        return links[i].upstream.received().size() == kEach;
      })) << links[i].upstream.received().size();
      EXPECT_TRUE(links[i].upstream.received() == data);
    }
  }
}

// I8: what one round moves of a stream is bounded, however much there is.
TEST_P(RelayCalls, C16_BulkLeavesOthersTheirTurn) {
  RelayRig& rig = Make();
  Link bulk = rig.Open();
  Link small = rig.Open();
  const std::string data = Pattern(2 << 20);
  size_t sent = 0;
  uint64_t most = 0;
  for (int i = 0; i < 60; ++i) {
    for (int more = 0; more < 8; ++more) {
      sent += bulk.upstream.Send(std::string_view(data).substr(sent));
      bulk.client.Read();
    }
    if (sent == data.size()) sent = 0;
    const uint64_t before = rig.Sent(Side::kClient);
    if (i % 10 == 0) small.client.Send("?");
    rig.Rounds(1);
    most = std::max(most, rig.Sent(Side::kClient) - before);
    if (i % 10 == 1) {
      small.upstream.Read();
      EXPECT_EQ(small.upstream.received().size(), i / 10 + 1u);
    }
  }
  // An event and a queued turn in one round are one quantum all the same.
  EXPECT_LE(most, Pump::kBudget + PipePool::kLargest);
  EXPECT_GT(most, 0u);
}

TEST_P(RelayCalls, C16_ARoundTripIsSixCalls) {
  RelayRig& rig = Make();
  Link link = rig.Open();
  const auto trip = [&] {
    link.client.Send("ping");
    rig.AwaitEvent(rig.kernel().last_accepted(), POLLIN);
    rig.Rounds(1);
    rig.AwaitEvent(link.upstream.fd(), POLLIN);
    link.upstream.Read();
    link.upstream.Send("pong");
    rig.AwaitEvent(rig.kernel().last_socket(), POLLIN);
    rig.Rounds(1);
    rig.AwaitEvent(link.client.fd(), POLLIN);
    link.client.Read();
  };
  trip();
  trip();  // and TCP_NODELAY
  const uint64_t calls = rig.kernel().calls();
  constexpr int kTrips = 10;
  for (int i = 0; i < kTrips; ++i) trip();
  // A wait, a receive and a send each way.
  EXPECT_EQ(rig.kernel().calls() - calls, 4u * kTrips);
  EXPECT_EQ(link.client.received().size(), 4u * (kTrips + 2));
}

INSTANTIATE_RELAY_MATRIX();
INSTANTIATE_RELAY_CALLS();

}  // namespace
}  // namespace weir
