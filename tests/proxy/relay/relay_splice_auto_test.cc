// S08: which streams are spliced, and for how long.

#include <poll.h>
#include <sys/ioctl.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "proxy/config/forward_spec.h"
#include "proxy/observe/worker_metrics.h"
#include "proxy/relay/buffer_pool.h"
#include "proxy/relay/pump.h"
#include "reactor/callback_kind.h"
#include "reactor/loop_monitor.h"
#include "tests/proxy/relay/relay_matrix.h"
#include "tests/support/faulty_kernel.h"
#include "tests/support/relay_rig.h"
#include "tests/support/test_peer.h"

namespace weir {
namespace {

class RelaySpliceAuto : public RelayMatrix {
 protected:
  // Messages of `size` bytes, which the proxy finds in its socket all at once.
  static void Up(RelayRig& rig, Link& link, size_t size) {
    Message(rig, link.client, rig.kernel().last_accepted(), link.upstream,
            size);
  }
  static void Down(RelayRig& rig, Link& link, size_t size) {
    Message(rig, link.upstream, rig.kernel().last_socket(), link.client, size);
  }
  static uint64_t Spliced(RelayRig& rig) {
    return rig.Relayed(RelayPath::kSplice);
  }

 private:
  static void Message(RelayRig& rig, TestPeer& from, int proxy, TestPeer& to,
                      size_t size) {
    const size_t before = to.received().size();
    const std::string data = Pattern(size, static_cast<uint32_t>(before));
    ASSERT_EQ(from.Send(data), size);
    // (Not until it is acknowledged, which may be put off.)
    int queued = 0;
    for (int i = 0; i < 10'000 && queued < static_cast<int>(size); ++i) {
      ASSERT_EQ(::ioctl(proxy, FIONREAD, &queued), 0);
      if (queued < static_cast<int>(size)) ::poll(nullptr, 0, 1);
    }
    ASSERT_TRUE(rig.ReadBytes(&to, before + size));
    EXPECT_TRUE(to.received().substr(before) == data);
    EXPECT_EQ(rig.LentPipes(), 0u);
  }
};

TEST_P(RelaySpliceAuto, S08_BulkIsSplicedAfterThreeLargeReads) {
  for (const Wire& wire : kAllWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    Link link = rig.Open();
    for (int i = 0; i < Pump::kStreak; ++i) {
      EXPECT_EQ(rig.kernel().calls(Call::kSpliceIn), 0u);
      EXPECT_EQ(rig.kernel().calls(Call::kPipe), 0u);
      Up(rig, link, Pump::kLargeRead);
      EXPECT_EQ(rig.worker().Find(1)->Info().path, RelayPath::kCopy);
    }
    Up(rig, link, Pump::kLargeRead);
    EXPECT_EQ(Spliced(rig), Pump::kLargeRead);
    EXPECT_EQ(rig.worker().Find(1)->Info().path, RelayPath::kSplice);
    // Each direction for itself.
    const uint64_t spliced = Spliced(rig);
    Down(rig, link, 100);
    EXPECT_EQ(Spliced(rig), spliced);
  }
}

// A read in between that is not large begins the count anew, and one that is
// neither large nor small ends nothing.
TEST_P(RelaySpliceAuto, S08_OnlyReadsInARowCount) {
  RelayRig& rig = Make();
  Link link = rig.Open();
  for (int i = 0; i < 5; ++i) {
    Up(rig, link, Pump::kLargeRead);
    Up(rig, link, Pump::kLargeRead);
    Up(rig, link, Pump::kLargeRead - 1);
  }
  EXPECT_EQ(Spliced(rig), 0u);
  for (int i = 0; i < Pump::kStreak; ++i) Up(rig, link, Pump::kLargeRead);
  for (int i = 0; i < 5; ++i) {
    const uint64_t spliced = Spliced(rig);
    Up(rig, link, Pump::kSmallRead);
    Up(rig, link, 1);
    Up(rig, link, 1);
    EXPECT_EQ(Spliced(rig) - spliced, Pump::kSmallRead + 2);
  }
}

// Once the messages are small it costs no more than if there had been no bulk.
TEST_P(RelaySpliceAuto, S08_SmallMessagesEndIt) {
  RelayRig& rig = Make();
  Link link = rig.Open();
  const int client = rig.kernel().last_accepted();
  const int upstream = rig.kernel().last_socket();
  for (int i = 0; i <= Pump::kStreak; ++i) {
    Up(rig, link, Pump::kLargeRead);
    Down(rig, link, Pump::kLargeRead);
  }
  EXPECT_GT(Spliced(rig), 0u);
  for (int i = 0; i < Pump::kStreak; ++i) {
    Up(rig, link, 100);
    Down(rig, link, 100);
  }
  EXPECT_EQ(rig.worker().Find(1)->path(), RelayPath::kSplice);
  Up(rig, link, 100);
  Down(rig, link, 100);
  EXPECT_EQ(rig.worker().Find(1)->path(), RelayPath::kCopy);
  const uint64_t spliced = Spliced(rig);
  const uint64_t calls = rig.kernel().calls();
  constexpr int kTrips = 10;
  for (int i = 0; i < kTrips; ++i) {
    link.client.Send("ping");
    rig.AwaitEvent(client, POLLIN);
    rig.Rounds(1);
    rig.AwaitEvent(link.upstream.fd(), POLLIN);
    link.upstream.Read();
    link.upstream.Send("pong");
    rig.AwaitEvent(upstream, POLLIN);
    rig.Rounds(1);
    rig.AwaitEvent(link.client.fd(), POLLIN);
    link.client.Read();
  }
  // A receive and a send each way, beside the two waits.
  EXPECT_EQ(rig.kernel().calls() - calls, 4u * kTrips);
  EXPECT_EQ(Spliced(rig), spliced);
}

TEST_P(RelaySpliceAuto, S08_SmallMessagesAreNeverSpliced) {
  RelayRig& rig = Make();
  Link link = rig.Open();
  for (int i = 0; i < 20; ++i) {
    Up(rig, link, 100);
    Down(rig, link, Pump::kLargeRead / 2);
  }
  EXPECT_EQ(rig.kernel().calls(Call::kSpliceIn), 0u);
  EXPECT_EQ(rig.kernel().calls(Call::kPipe), 0u);
}

TEST_P(RelaySpliceAuto, S08_OffMakesNoPipe) {
  ForwardSpec spec;
  spec.splice = SpliceMode::kOff;
  RelayRig rig({.poller = GetParam().poller, .spec = spec});
  Link link = rig.Open();
  for (int i = 0; i < 2 * Pump::kStreak; ++i) {
    Up(rig, link, Pump::kLargeRead);
  }
  EXPECT_EQ(rig.kernel().calls(Call::kSpliceIn), 0u);
  EXPECT_EQ(rig.kernel().calls(Call::kPipe), 0u);
  EXPECT_EQ(rig.worker().Find(1)->path(), RelayPath::kCopy);
}

TEST_P(RelaySpliceAuto, S08_BulkThatIsNotSplicedIsReadInLargePieces) {
  RelayRig& rig = Make({.max_pipes = 0});
  Link link = rig.Open();
  for (int i = 0; i < Pump::kStreak; ++i) {
    Up(rig, link, Pump::kLargeRead);
    EXPECT_EQ(rig.kernel().last_recv_size(), BufferPool::kBufferSize);
  }
  Up(rig, link, Pump::kLargeRead);
  EXPECT_EQ(rig.kernel().last_recv_size(), BufferPool::kLargeSize);
  // Each direction for itself.
  Down(rig, link, Pump::kLargeRead);
  EXPECT_EQ(rig.kernel().last_recv_size(), BufferPool::kBufferSize);
  for (int i = 0; i < Pump::kStreak; ++i) {
    Up(rig, link, 1);
    EXPECT_EQ(rig.kernel().last_recv_size(), BufferPool::kLargeSize);
  }
  Up(rig, link, 1);
  EXPECT_EQ(rig.kernel().last_recv_size(), BufferPool::kBufferSize);
}

TEST_P(RelaySpliceAuto, S08_OnFromTheFirstByte) {
  ForwardSpec spec;
  spec.splice = SpliceMode::kOn;
  RelayRig rig({.poller = GetParam().poller, .spec = spec});
  Link link = rig.Open();
  for (int i = 0; i < 2 * Pump::kStreak; ++i) {
    Up(rig, link, 1);
    Down(rig, link, 1);
  }
  EXPECT_EQ(rig.Relayed(RelayPath::kCopy), 0u);
  EXPECT_EQ(Spliced(rig), 4u * Pump::kStreak);
}

// The loop's account of what it does tells the two apart.
TEST_P(RelaySpliceAuto, S08_SplicingIsAKindOfItsOwn) {
  RelayRig& rig = Make();
  Link link = rig.Open();
  for (int i = 0; i <= Pump::kStreak; ++i) Up(rig, link, Pump::kLargeRead);
  std::set<std::pair<CallbackKind, uint64_t>> seen;
  rig.kernel().SetHook([&](Call call, int) {
    if (call != Call::kSpliceIn) return;
    const LoopActivity activity = rig.monitor().Activity(rig.clock());
    seen.insert({activity.kind, activity.subject.connection});
  });
  Up(rig, link, Pump::kLargeRead);
  EXPECT_EQ(seen, (decltype(seen){{CallbackKind::kSplice, 1}}));
}

INSTANTIATE_TEST_SUITE_P(All, RelaySpliceAuto,
                         WEIR_RELAY_CASES(SpliceMode::kAuto), MatrixName);

}  // namespace
}  // namespace weir
