// S01 to S06: streams that go through pipes, on each pair of families: what
// must arrive whatever the kernel does between its promises.

#include <errno.h>
#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "proxy/observe/close_reason.h"
#include "proxy/observe/forward_metrics.h"
#include "proxy/observe/worker_metrics.h"
#include "proxy/relay/pipe_pool.h"
#include "reactor/clock.h"
#include "tests/proxy/relay/relay_matrix.h"
#include "tests/support/faulty_kernel.h"
#include "tests/support/relay_rig.h"
#include "tests/support/test_peer.h"

namespace weir {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

// With buffers for what has to be copied, and without.
constexpr size_t kMemories[] = {16 << 20, 0};
// Fits into the queues of a new connection, so that all of it is there before
// the proxy looks.
constexpr size_t kQueued = 30'000;

// What comes before and behind an urgent byte.
struct Around {
  std::string before = Pattern(kQueued, 1);
  std::string behind = Pattern(kQueued, 2);
  std::string all() const { return before + "!" + behind; }
};

TestPeer& Client(Link& link) { return link.client; }
TestPeer& Upstream(Link& link) { return link.upstream; }
// From whom, to whom.
constexpr std::pair<TestPeer& (*)(Link&), TestPeer& (*)(Link&)> kWays[] = {
    {Client, Upstream}, {Upstream, Client}};

// A splice ends before the mark, and then says EAGAIN for ever.
TEST_P(RelaySplice, S01_UrgentByteAmidBulk) {
  const Around around;
  for (const Wire& wire : kTcpWires) {
    for (const size_t memory : kMemories) {
      for (const auto& [from, to] : kWays) {
        SCOPED_TRACE(WireName(wire));
        RelayRig& rig = Make({.wire = wire, .buffer_memory = memory});
        Link link = rig.Open();
        // All of it there at once.
        ASSERT_EQ(from(link).Send(around.before), kQueued);
        from(link).SendUrgent('!');
        ASSERT_EQ(from(link).Send(around.behind), kQueued);
        std::string sent = around.all();
        ASSERT_TRUE(rig.ReadBytes(&to(link), sent.size()));
        EXPECT_TRUE(to(link).received() == sent);
        // Each part for itself, and at last the mark, with nothing behind it.
        for (int i = 0; i < 3; ++i) {
          ASSERT_TRUE(rig.SendAll(&from(link), around.before));
          ASSERT_TRUE(
              rig.ReadBytes(&to(link), sent.size() + around.before.size()));
          from(link).SendUrgent('!');
          sent += around.before + "!";
          ASSERT_TRUE(rig.ReadBytes(&to(link), sent.size()));
        }
        if (!noisy()) rig.ExpectQuiet();
        EXPECT_TRUE(to(link).received() == sent);
        ASSERT_EQ(from(link).send_error(), 0);
      }
    }
  }
}

// At a mark with a FIN behind it, splice says 0 although a byte follows.
TEST_P(RelaySplice, S02_UrgentByteThenFin) {
  const Around around;
  for (const Wire& wire : kTcpWires) {
    for (const size_t memory : kMemories) {
      for (const auto& [from, to] : kWays) {
        for (const bool lone : {false, true}) {
          SCOPED_TRACE(WireName(wire));
          RelayRig& rig = Make({.wire = wire, .buffer_memory = memory});
          Link link = rig.Open();
          if (!lone) {
            ASSERT_EQ(from(link).Send(around.before), kQueued);
          }
          from(link).SendUrgent('!');
          from(link).Shutdown();
          EXPECT_EQ(rig.ReadEnd(&to(link)), 0);
          EXPECT_TRUE(to(link).received() == (lone ? "" : around.before) + "!");
          // The other way goes on.
          ASSERT_TRUE(rig.SendAll(&to(link), around.behind));
          ASSERT_TRUE(rig.ReadBytes(&from(link), kQueued));
          if (!noisy()) rig.ExpectQuiet();
        }
      }
    }
  }
}

// And with a reset behind it, splice says so, which takes it from the socket:
// what follows must arrive, and must not look complete.
TEST_P(RelaySplice, S02_UrgentByteThenReset) {
  const Around around;
  for (const Wire& wire : kTcpWires) {
    for (const size_t memory : kMemories) {
      for (const auto& [from, to] : kWays) {
        SCOPED_TRACE(WireName(wire));
        RelayRig& rig = Make({.wire = wire, .buffer_memory = memory});
        Link link = rig.Open();
        ASSERT_EQ(from(link).Send(around.before), kQueued);
        from(link).SendUrgent('!');
        ASSERT_EQ(from(link).Send(around.behind), kQueued);
        rig.AwaitAcknowledged(from(link));
        from(link).Reset();
        EXPECT_EQ(rig.ReadEnd(&to(link)), ECONNRESET);
        EXPECT_TRUE(to(link).received() == around.all());
      }
    }
  }
}

// A pipe is full by its slots before it is by its bytes.
TEST_P(RelaySplice, S01_PipesAreFullBySlots) {
  for (const Wire& wire : kAllWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make({.wire = wire, .pipe_memory = PipePool::kSmallest});
    Link link = rig.Open();
    const int client = rig.kernel().last_accepted();
    Link other = rig.Open();
    if (wire.client != AF_UNIX) {
      link.client.SetNoDelay();
      other.client.SetNoDelay();
    }
    // Each piece takes a slot, of which the smallest pipe has 16: for the
    // kernel puts bytes of the two in turn into a page, and only neighbours
    // there are one piece.
    const std::string data = Pattern(200);
    for (const char& c : data) {
      ASSERT_EQ(link.client.Send({&c, 1}), 1u);
      ASSERT_EQ(other.client.Send({&c, 1}), 1u);
    }
    if (wire.client != AF_UNIX) rig.AwaitAcknowledged(link.client);
    ASSERT_TRUE(rig.ReadBytes(&link.upstream, data.size()));
    ASSERT_TRUE(rig.ReadBytes(&other.upstream, data.size()));
    EXPECT_TRUE(link.upstream.received() == data);
    EXPECT_TRUE(other.upstream.received() == data);
    if (!noisy()) {
      EXPECT_EQ(rig.Relayed(RelayPath::kSplice), 2 * data.size());
      EXPECT_GE(rig.kernel().calls(Call::kSpliceIn, client), data.size() / 16);
      rig.ExpectQuiet();
    }
  }
}

// What waits for `to`, which begins to read, faster than it could before.
std::string ReadAll(RelayRig& rig, TestPeer& to, int end) {
  to.SetReceiveBuffer(1 << 20);
  EXPECT_EQ(rig.ReadEnd(&to), end);
  EXPECT_EQ(rig.LentPipes(), 0u);
  return to.received();
}

// The end of the stream waits behind what is in the pipe; the other direction
// lives on.
TEST_P(RelaySplice, S06_FinBehindAFullPipe) {
  for (const Wire& wire : kAllWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    Link link = rig.Open(/*receive_buffer=*/8192);
    for (const auto& [from, to] : kWays) {
      const std::string data = rig.SendUntilBlocked(&from(link));
      from(link).Shutdown();
      rig.Rounds(20);
      if (!noisy()) {
        EXPECT_EQ(rig.LentPipes(), 1u);
        rig.ExpectQuiet();
      }
      EXPECT_TRUE(ReadAll(rig, to(link), 0) == data);
    }
    EXPECT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 0; }));
    EXPECT_EQ(rig.Closed(CloseReason::kClientFin), 1u);
  }
}

// The reset of one side does not overtake the pipe, whose bytes were read.
TEST_P(RelaySplice, S06_ResetBehindAFullPipe) {
  for (const Wire& wire : kTcpWires) {
    SCOPED_TRACE(WireName(wire));
    for (const auto& [from, to] : kWays) {
      RelayRig& rig = Make(wire);
      Link link = rig.Open(/*receive_buffer=*/8192);
      TestPeer& source = from(link);
      const std::string data = rig.SendUntilBlocked(&source);
      ASSERT_TRUE(rig.DriveUntil([&] { return source.unacknowledged() == 0; }));
      source.Reset();
      EXPECT_TRUE(ReadAll(rig, to(link), ECONNRESET) == data);
    }
  }
}

// I6: what nobody can take any more is counted, and its pipe is closed.
TEST_P(RelaySplice, S04_TargetFailsWithAFullPipe) {
  for (const Wire& wire : kAllWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    Link link = rig.Open(/*receive_buffer=*/8192);
    (void)rig.SendUntilBlocked(&link.client);
    link.upstream.Reset();
    rig.ReadEnd(&link.client);
    EXPECT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 0; }));
    EXPECT_GT(rig.Discarded(Side::kClient), 0u);
    EXPECT_EQ(rig.Received(Side::kClient),
              rig.Sent(Side::kUpstream) + rig.Discarded(Side::kClient));
    EXPECT_EQ(rig.LentPipes(), 0u);
  }
}

TEST_P(RelaySplice, S04_KilledWithAFullPipe) {
  RelayRig& rig = Make();
  Link link = rig.Open(/*receive_buffer=*/8192);
  (void)rig.SendUntilBlocked(&link.upstream);
  bool killed = false;
  rig.worker().Kill(1, [&](bool yes) { killed = yes; });
  // Before the client reads, which would empty the pipe.
  EXPECT_TRUE(rig.DriveUntil([&] { return killed; }));
  EXPECT_EQ(rig.ReadEnd(&link.client), ECONNRESET);
  EXPECT_EQ(rig.Closed(CloseReason::kKilled), 1u);
  if (!noisy()) {  // under noise it may not have been full
    EXPECT_GT(rig.Discarded(Side::kUpstream), 0u);
  }
  EXPECT_EQ(rig.LentPipes(), 0u);
}

// The end of a drain: what is in the pipe is flushed, and nothing more is read.
TEST_P(RelaySplice, S06_ForcedDrainFlushesAFullPipe) {
  RelayRig& rig = Make();
  Link link = rig.Open(/*receive_buffer=*/8192);
  const std::string data = rig.SendUntilBlocked(&link.upstream);
  rig.worker().EndAll();
  const uint64_t received = rig.Received(Side::kUpstream);
  const std::string flushed = ReadAll(rig, link.client, ECONNRESET);
  EXPECT_EQ(rig.Received(Side::kUpstream), received);
  EXPECT_EQ(rig.Discarded(Side::kUpstream), 0u);
  EXPECT_EQ(flushed.size(), received);
  EXPECT_TRUE(data.starts_with(flushed));
  EXPECT_EQ(rig.Closed(CloseReason::kDrainForced), 1u);
}

// Bytes in a pipe are work: a drain of the idle waits for their reader.
TEST_P(RelaySplice, S06_AFullPipeIsNotIdle) {
  RelayRig& rig = Make();
  Link link = rig.Open(/*receive_buffer=*/8192);
  const std::string data = rig.SendUntilBlocked(&link.client);
  rig.worker().EndIdle(seconds(2), Duration::zero());
  rig.Pass(seconds(10), seconds(1));
  EXPECT_EQ(rig.Active(Stage::kRelaying), 1);
  ASSERT_TRUE(rig.ReadBytes(&link.upstream, data.size()));
  EXPECT_TRUE(link.upstream.received() == data);
  EXPECT_TRUE(
      rig.DriveUntil([&] { return rig.Active(Stage::kRelaying) == 0; }));
  EXPECT_EQ(rig.ReadEnd(&link.upstream), 0);
  EXPECT_EQ(rig.ReadEnd(&link.client), 0);
}

// I7: a reader that stops for a minute, with bytes in the pipe.
TEST_P(RelaySplice, S05_AReaderStopsAndGoesOn) {
  for (const Wire& wire : kAllWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    Link link = rig.Open(/*receive_buffer=*/8192);
    std::string data = rig.SendUntilBlocked(&link.client);
    if (!noisy()) rig.ExpectQuiet();
    rig.Pass(minutes(1), seconds(5));
    EXPECT_EQ(rig.Sessions(), 1u);
    if (!noisy()) rig.ExpectQuiet();
    link.upstream.SetReceiveBuffer(1 << 20);
    ASSERT_TRUE(rig.ReadBytes(&link.upstream, data.size()));
    EXPECT_EQ(rig.LentPipes(), 0u);
    const std::string more = Pattern(100'000, 4);
    ASSERT_TRUE(rig.SendAll(&link.client, more));
    ASSERT_TRUE(rig.ReadBytes(&link.upstream, data.size() + more.size()));
    EXPECT_TRUE(link.upstream.received() == data + more);
  }
}

INSTANTIATE_RELAY_SPLICE();

}  // namespace
}  // namespace weir
