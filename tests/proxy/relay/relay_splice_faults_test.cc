// S01, S03, S04, S05, S07, S09: streams whose splices the kernel refuses, cuts
// short or puts off, and which there is no pipe for.

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "proxy/observe/forward_metrics.h"
#include "proxy/observe/splice_metrics.h"
#include "proxy/observe/worker_metrics.h"
#include "proxy/relay/buffer_pool.h"
#include "tests/proxy/relay/relay_matrix.h"
#include "tests/support/faulty_kernel.h"
#include "tests/support/relay_rig.h"
#include "tests/support/test_peer.h"

namespace weir {
namespace {

using std::chrono::milliseconds;

constexpr size_t kMuch = 300'000;

class RelaySpliceFaults : public RelayMatrix {
 protected:
  // `link` carries bulk up, whole and in order, on top of what it carried.
  static void Carry(RelayRig& rig, Link& link) {
    const size_t before = link.upstream.received().size();
    const std::string data = Pattern(kMuch, static_cast<uint32_t>(before + 1));
    ASSERT_TRUE(rig.SendAll(&link.client, data));
    ASSERT_TRUE(rig.ReadBytes(&link.upstream, before + data.size()));
    EXPECT_TRUE(link.upstream.received().substr(before) == data);
    EXPECT_EQ(rig.LentPipes(), 0u);
  }
};

// What the sockets cannot do is asked for once a stream, and costs no byte.
TEST_P(RelaySpliceFaults, S07_RefusedSpliceInCopies) {
  for (const Wire& wire : kAllWires) {
    for (const int error : {EINVAL, ENOSYS, EPERM}) {
      SCOPED_TRACE(WireName(wire));
      RelayRig& rig = Make(wire);
      Link link = rig.Open();
      rig.kernel().Inject({.call = Call::kSpliceIn, .error = error});
      Carry(rig, link);
      Carry(rig, link);
      EXPECT_EQ(rig.kernel().calls(Call::kSpliceIn), 1u);
      EXPECT_EQ(rig.Fallbacks(SpliceFallback::kRefused), 1u);
      EXPECT_EQ(rig.Relayed(RelayPath::kCopy), 2 * kMuch);
      EXPECT_EQ(rig.worker().Find(1)->path(), RelayPath::kCopy);
      // Others are another matter.
      Link other = rig.Open();
      Carry(rig, other);
      EXPECT_EQ(rig.Relayed(RelayPath::kSplice), kMuch);
    }
  }
}

TEST_P(RelaySpliceFaults, S07_ShortMemoryCostsTheMoment) {
  for (const int error : {ENOMEM, ENOBUFS}) {
    RelayRig& rig = Make();
    Link link = rig.Open();
    rig.kernel().Inject(
        {.call = Call::kSpliceIn, .error = error, .count = 2, .every = 2});
    Carry(rig, link);
    EXPECT_GT(rig.Fallbacks(SpliceFallback::kMemory), 0u);
    EXPECT_EQ(rig.Fallbacks(SpliceFallback::kRefused), 0u);
    rig.kernel().Heal();
    const uint64_t copied = rig.Relayed(RelayPath::kCopy);
    Carry(rig, link);
    EXPECT_EQ(rig.Relayed(RelayPath::kCopy), copied);
    EXPECT_EQ(rig.worker().Find(1)->path(), RelayPath::kSplice);
  }
}

// Bytes in a pipe that the target does not take from there are taken out, and
// stay ahead of those that are copied later.
TEST_P(RelaySpliceFaults, S07_RefusedSpliceOutIsSpilled) {
  for (const Wire& wire : kAllWires) {
    for (const int error : {EINVAL, ENOSYS, EPERM}) {
      SCOPED_TRACE(WireName(wire));
      RelayRig& rig = Make(wire);
      Link link = rig.Open();
      // Some is sent from the pipe before.
      rig.kernel().LimitSends(10'000);
      rig.kernel().Inject(
          {.call = Call::kSpliceOut, .error = error, .skip = 2});
      Carry(rig, link);
      EXPECT_EQ(rig.Relayed(RelayPath::kSplice), 20'000u);
      EXPECT_EQ(rig.Relayed(RelayPath::kCopy), kMuch - 20'000);
      EXPECT_GT(rig.kernel().calls(Call::kReadPipe), 0u);
      EXPECT_EQ(rig.Fallbacks(SpliceFallback::kRefused), 1u);
      EXPECT_EQ(rig.Lent(), 0u);
      Carry(rig, link);
      EXPECT_EQ(rig.Relayed(RelayPath::kSplice), 20'000u);
    }
  }
}

// They cannot go back into the socket, so the cap of buffers does not matter.
TEST_P(RelaySpliceFaults, S07_SpillsGoBeyondTheCapOfBuffers) {
  RelayRig& rig = Make({.buffer_memory = 0});
  Link link = rig.Open();
  rig.kernel().Inject({.call = Call::kSpliceOut, .error = EINVAL});
  const std::string data = Pattern(50'000, 7);
  ASSERT_TRUE(rig.SendAll(&link.client, data));
  ASSERT_TRUE(rig.ReadBytes(&link.upstream, data.size()));
  EXPECT_TRUE(link.upstream.received() == data);
  EXPECT_EQ(rig.Fallbacks(SpliceFallback::kRefused), 1u);
  EXPECT_EQ(rig.Lent() + rig.LentPipes(), 0u);
}

// Nothing is held back for more to come (the kernel would for 200 ms).
TEST_P(RelaySpliceFaults, S03_TheTailLeavesAtOnce) {
  for (const Wire& wire : kTcpWires) {
    RelayRig& rig = Make(wire);
    Link link = rig.Open();
    size_t sent = 0;
    for (const size_t size : {size_t{100}, size_t{30'001}}) {
      ASSERT_EQ(link.client.Send(Pattern(size)), size);
      rig.AwaitAcknowledged(link.client);
      sent += size;
      rig.AwaitEvent(rig.kernel().last_accepted(), POLLIN);
      rig.Rounds(2);
      EXPECT_EQ(rig.Relayed(RelayPath::kSplice), sent);
      int unsent = -1;
      EXPECT_EQ(::ioctl(rig.kernel().last_socket(), SIOCOUTQNSD, &unsent), 0);
      EXPECT_EQ(unsent, 0);
      ASSERT_TRUE(rig.ReadBytes(&link.upstream, sent));
    }
  }
}

TEST_P(RelaySpliceFaults, S05_PartialSplicesOut) {
  for (const Wire& wire : kAllWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    rig.kernel().LimitSends(1001);
    Link link = rig.Open();
    Carry(rig, link);
    EXPECT_EQ(rig.Relayed(RelayPath::kSplice), kMuch);
    EXPECT_GE(rig.kernel().calls(Call::kSpliceOut), kMuch / 1001);
  }
}

// The kernel is short of memory, or says that it took nothing: the bytes wait
// in the pipe, nothing spins, and it is tried again in a while.
TEST_P(RelaySpliceFaults, S04_SplicesOutThatAreTriedAgain) {
  for (const int error : {ENOMEM, ENOBUFS, 0}) {
    SCOPED_TRACE(error);
    RelayRig& rig = Make();
    Link link = rig.Open();
    rig.kernel().Inject({.call = Call::kSpliceOut, .error = error, .count = 3});
    ASSERT_TRUE(rig.SendAll(&link.client, "abc"));
    rig.AwaitAcknowledged(link.client);
    rig.Rounds(20);
    EXPECT_EQ(rig.Sent(Side::kUpstream), 0u);
    EXPECT_EQ(rig.LentPipes(), 1u);
    rig.ExpectQuiet();
    ASSERT_TRUE(rig.ReadBytes(&link.upstream, 3));
    EXPECT_EQ(link.upstream.received(), "abc");
    EXPECT_EQ(rig.LentPipes(), 0u);
  }
}

// EAGAIN although an event said readable: only a read can tell, once.
TEST_P(RelaySpliceFaults, S01_AnEventThatASpliceDoesNotSee) {
  for (const Wire& wire : kAllWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    Link link = rig.Open();
    const int client = rig.kernel().last_accepted();
    rig.Rounds(10);
    rig.kernel().Inject(
        {.call = Call::kSpliceIn, .error = EAGAIN, .fd = client});
    const uint64_t reads = rig.kernel().calls(Call::kRecv, client);
    link.client.Send("marked");
    ASSERT_TRUE(rig.ReadBytes(&link.upstream, 6));
    EXPECT_EQ(rig.Relayed(RelayPath::kCopy), 6u);
    rig.ExpectQuiet();
    EXPECT_LE(rig.kernel().calls(Call::kRecv, client) - reads, 2u);
    // And not for ever: the next event is spliced again.
    ASSERT_TRUE(rig.SendAll(&link.client, "more"));
    ASSERT_TRUE(rig.ReadBytes(&link.upstream, 10));
    EXPECT_EQ(rig.Relayed(RelayPath::kSplice), 4u);
  }
}

// Out of pipes: all streams arrive, and one that is back is used.
TEST_P(RelaySpliceFaults, S09_AShortageCostsTheMoment) {
  RelayRig& rig = Make({.max_pipes = 1});
  Link slow = rig.Open(/*receive_buffer=*/8192);
  const std::string held = rig.SendUntilBlocked(&slow.client);
  ASSERT_EQ(rig.LentPipes(), 1u);
  std::vector<Link> links;
  for (int i = 0; i < 2; ++i) {
    links.push_back(rig.Open());
    Link& link = links.back();
    const std::string data = Pattern(kMuch, static_cast<uint32_t>(i));
    ASSERT_TRUE(rig.SendAll(&link.client, data));
    ASSERT_TRUE(rig.ReadBytes(&link.upstream, kMuch));
    EXPECT_TRUE(link.upstream.received() == data);
  }
  EXPECT_GT(rig.Fallbacks(SpliceFallback::kPipes), 0u);
  EXPECT_EQ(rig.kernel().calls(Call::kPipe), 1u);
  EXPECT_EQ(rig.Relayed(RelayPath::kCopy), 2 * kMuch);
  ASSERT_TRUE(rig.ReadBytes(&slow.upstream, held.size()));
  EXPECT_TRUE(slow.upstream.received() == held);
  const uint64_t fallbacks = rig.Fallbacks(SpliceFallback::kPipes);
  for (Link& link : links) Carry(rig, link);
  EXPECT_EQ(rig.Fallbacks(SpliceFallback::kPipes), fallbacks);
  EXPECT_EQ(rig.Relayed(RelayPath::kCopy), 2 * kMuch);
}

TEST_P(RelaySpliceFaults, S09_NoPipesAtAll) {
  for (const size_t memory : {size_t{16} << 20, size_t{0}}) {
    RelayRig& rig = Make({.buffer_memory = memory, .max_pipes = 0});
    Link link = rig.Open();
    Carry(rig, link);
    // As asked for: no shortage.
    EXPECT_EQ(rig.Fallbacks(SpliceFallback::kPipes), 0u);
    EXPECT_EQ(rig.kernel().calls(Call::kPipe), 0u);
    EXPECT_EQ(rig.Relayed(RelayPath::kCopy), kMuch);
    EXPECT_EQ(rig.worker().Find(1)->Info().path, RelayPath::kCopy);
  }
}

TEST_P(RelaySpliceFaults, S09_NoDescriptorsForPipes) {
  RelayRig& rig = Make();
  Link link = rig.Open();
  rig.kernel().Inject({.call = Call::kPipe, .error = EMFILE});
  Carry(rig, link);
  EXPECT_GT(rig.Fallbacks(SpliceFallback::kDescriptors), 0u);
  EXPECT_GE(rig.Relayed(RelayPath::kCopy), kMuch / 2);
  // A tenth of a second later there may be some.
  rig.Pass(milliseconds(150), milliseconds(50));
  const uint64_t copied = rig.Relayed(RelayPath::kCopy);
  Carry(rig, link);
  EXPECT_EQ(rig.Relayed(RelayPath::kCopy), copied);
}

INSTANTIATE_TEST_SUITE_P(All, RelaySpliceFaults,
                         WEIR_RELAY_CASES(SpliceMode::kOn), MatrixName);

}  // namespace
}  // namespace weir
