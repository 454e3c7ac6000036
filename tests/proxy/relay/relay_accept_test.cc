// The table of accept errors, A01, A03, A04.

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "proxy/observe/close_reason.h"
#include "proxy/observe/forward_metrics.h"
#include "proxy/relay/accept_metrics.h"
#include "tests/proxy/relay/relay_matrix.h"
#include "tests/support/faulty_kernel.h"
#include "tests/support/relay_rig.h"
#include "tests/support/test_peer.h"

namespace weir {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_P(RelayCalls, Accept_EAGAIN_EndsTheBatch) {
  RelayRig& rig = Make();
  std::vector<TestPeer> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(rig.Dial());
  ASSERT_TRUE(rig.DriveUntil([&] { return rig.Accepted() == 5; }));
  rig.ExpectQuiet();
  EXPECT_EQ(rig.AcceptErrors(AcceptError::kOther), 0u);
}

// That connection is dead; the next is taken in the same round.
TEST_P(RelayCalls, Accept_DeadConnectionsArePassedOver) {
  for (const int error :
       {ECONNABORTED, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET,
        EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH, ETIMEDOUT, EPERM, ENOSR,
        ESOCKTNOSUPPORT, EPROTONOSUPPORT}) {
    SCOPED_TRACE(error);
    RelayRig& rig = Make();
    rig.kernel().Inject({.call = Call::kAccept, .error = error, .count = 2});
    TestPeer client = rig.Dial();
    rig.AwaitEvent(rig.listen_fd(), POLLIN);
    rig.Rounds(1);
    EXPECT_EQ(rig.Accepted(), 1u);
    EXPECT_EQ(rig.AcceptErrors(AcceptError::kAborted), 2u);
  }
}

// However many of them come: a round takes a bounded number.
TEST_P(RelayCalls, Accept_DeadConnectionsAreBoundedByTheBatch) {
  RelayRig& rig = Make();
  rig.kernel().Inject(
      {.call = Call::kAccept, .error = ECONNABORTED, .count = 1000});
  TestPeer client = rig.Dial();
  rig.AwaitEvent(rig.listen_fd(), POLLIN);
  rig.Rounds(1);
  EXPECT_LE(rig.kernel().calls(Call::kAccept), 64u);
}

TEST_P(RelayCalls, Accept_ShortagePausesAndResumes) {
  for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOMEM}) {
    SCOPED_TRACE(error);
    RelayRig& rig = Make();
    rig.kernel().Inject({.call = Call::kAccept, .error = error, .count = 2});
    TestPeer client = rig.Dial();
    rig.AwaitEvent(rig.listen_fd(), POLLIN);
    rig.Rounds(50);  // the clock stands still: the listener is paused
    EXPECT_EQ(rig.kernel().calls(Call::kAccept), 1u) << "it spins";
    rig.ExpectQuiet();
    rig.Pass(milliseconds(9), milliseconds(1));
    EXPECT_EQ(rig.kernel().calls(Call::kAccept), 1u);
    rig.Pass(milliseconds(2), milliseconds(1));
    EXPECT_EQ(rig.kernel().calls(Call::kAccept), 2u);
    rig.Pass(milliseconds(17), milliseconds(1));
    EXPECT_EQ(rig.kernel().calls(Call::kAccept), 2u) << "the delay doubles";
    rig.Pass(milliseconds(5), milliseconds(1));
    EXPECT_EQ(rig.Accepted(), 1u);
    EXPECT_EQ(rig.AcceptErrors(error == EMFILE || error == ENFILE
                                   ? AcceptError::kDescriptors
                                   : AcceptError::kMemory),
              2u);
    TestPeer upstream = rig.Take();
    EXPECT_TRUE(upstream.open());
  }
}

TEST_P(RelayCalls, A03_ResumeKeepsTheDelay) {
  RelayRig& rig = Make();
  rig.kernel().Inject({.call = Call::kAccept, .error = EMFILE, .count = 1000});
  TestPeer client = rig.Dial();
  rig.AwaitEvent(rig.listen_fd(), POLLIN);
  rig.Pass(seconds(10), milliseconds(1));
  // 10, 20, 40, 80, then every 100 ms.
  EXPECT_LE(rig.kernel().calls(Call::kAccept), 105u);
  EXPECT_GE(rig.kernel().calls(Call::kAccept), 90u);
  rig.kernel().Heal();
  rig.Pass(milliseconds(150), milliseconds(1));
  EXPECT_EQ(rig.Accepted(), 1u);
}

TEST_P(RelayCalls, Accept_EINVAL_StopsTheListener) {
  RelayRig& rig = Make();
  rig.kernel().Inject({.call = Call::kAccept, .error = EINVAL});
  TestPeer client = rig.Dial();
  rig.AwaitEvent(rig.listen_fd(), POLLIN);
  rig.Pass(seconds(1), milliseconds(10));
  EXPECT_EQ(rig.kernel().calls(Call::kAccept), 1u);
  EXPECT_EQ(rig.AcceptErrors(AcceptError::kOther), 1u);
}

TEST_P(RelayCalls, A01_AtTheLimitTheBacklogHolds) {
  RelayRig& rig = Make({.max_connections = 1});
  {
    Link first = rig.Open();
    TestPeer second = rig.Dial();
    ASSERT_TRUE(
        rig.DriveUntil([&] { return rig.AcceptErrors(AcceptError::kLimit); }));
    rig.ExpectQuiet();
    EXPECT_EQ(rig.Accepted(), 1u);
    EXPECT_EQ(rig.kernel().calls(Call::kAccept), 1u) << "taken and then?";
    // To look whether it still holds is not to meet it again.
    rig.Pass(seconds(5), milliseconds(10));
    EXPECT_EQ(rig.AcceptErrors(AcceptError::kLimit), 1u);
    second.Read();
    EXPECT_EQ(second.end(), TestPeer::kOpen) << "it waits, it is not refused";
    first.client.Close();
    EXPECT_EQ(rig.ReadEnd(&first.upstream), 0);
    first.upstream.Close();
    ASSERT_TRUE(rig.DriveUntil([&] { return rig.Closed() == 1; }));
    // There is room: at once, whatever the delay had come to.
    rig.Rounds(3);
    EXPECT_EQ(rig.Accepted(), 2u);
    TestPeer upstream = rig.Take();
    ASSERT_TRUE(rig.SendAll(&second, "x"));
    EXPECT_TRUE(rig.ReadBytes(&upstream, 1));
  }
}

// No descriptor for the upstream: that session is reset, and the clients behind
// it wait until there are some.
TEST_P(RelayCalls, A04_NoDescriptorForTheUpstream) {
  RelayRig& rig = Make();
  rig.kernel().Inject({.call = Call::kSocket, .error = EMFILE});
  TestPeer first = rig.Dial();
  TestPeer second = rig.Dial();
  TestPeer third = rig.Dial();
  ASSERT_TRUE(rig.DriveUntil([&] { return rig.Accepted() > 0; }));
  EXPECT_EQ(rig.Accepted(), 1u) << "accepted although there is a shortage";
  EXPECT_EQ(rig.Closed(CloseReason::kResources), 1u);
  EXPECT_EQ(rig.AcceptErrors(AcceptError::kDescriptors), 1u);
  EXPECT_EQ(rig.ReadEnd(&first), ECONNRESET);
  TestPeer upstream = rig.Take();
  TestPeer another = rig.Take();
  EXPECT_EQ(rig.Accepted(), 3u);
}

// Stopping takes what clients completed before.
TEST_P(RelayMatrix, Accept_StopServesTheQueue) {
  RelayRig& rig = Make({.accepting = false});
  std::vector<TestPeer> clients;
  for (int i = 0; i < 50; ++i) clients.push_back(rig.Dial());
  rig.gate().Start({{0, rig.listen_fd(), FdKind::kTcp}});
  bool stopped = false;
  rig.gate().Stop([&] { stopped = true; });
  ASSERT_TRUE(rig.DriveUntil([&] { return stopped; }));
  if (!noisy()) {
    EXPECT_EQ(rig.Accepted(), 50u);
  }
}

// Also in the middle of a pause: before the poller has let go of the listener
// (io_uring takes a round for it), and after.
TEST_P(RelayCalls, Accept_StopWhilePausedServesTheQueue) {
  for (const int rounds : {1, 5}) {
    SCOPED_TRACE(rounds);
    RelayRig& rig = Make();
    rig.kernel().Inject({.call = Call::kAccept, .error = EMFILE});
    std::vector<TestPeer> clients;
    for (int i = 0; i < 5; ++i) clients.push_back(rig.Dial());
    rig.AwaitEvent(rig.listen_fd(), POLLIN);
    rig.Rounds(rounds);
    ASSERT_EQ(rig.AcceptErrors(AcceptError::kDescriptors), 1u);
    ASSERT_EQ(rig.Accepted(), 0u);
    bool stopped = false;
    rig.gate().Stop([&] { stopped = true; });
    EXPECT_EQ(rig.Accepted(), 5u);
    ASSERT_TRUE(rig.DriveUntil([&] { return stopped; }));
  }
}

INSTANTIATE_RELAY_MATRIX();
INSTANTIATE_RELAY_CALLS();

}  // namespace
}  // namespace weir
