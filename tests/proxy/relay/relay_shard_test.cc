// Arrangements of accepting and policies of sharing out, on each poller.

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "proxy/config/accept_mode.h"
#include "proxy/config/shard_policy_kind.h"
#include "proxy/relay/accept_metrics.h"
#include "tests/proxy/relay/relay_matrix.h"
#include "tests/support/faulty_kernel.h"
#include "tests/support/relay_rig.h"
#include "tests/support/test_peer.h"

namespace weir {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr AcceptMode kModes[] = {AcceptMode::kShared, AcceptMode::kReuseport,
                                 AcceptMode::kDedicated};
constexpr ShardPolicy kEven[] = {ShardPolicy::kLeast, ShardPolicy::kRoundRobin,
                                 ShardPolicy::kLag};

std::string Name(AcceptMode mode, ShardPolicy policy) {
  return std::string(AcceptModeName(mode)) + ", " +
         std::string(ShardPolicyName(policy));
}

std::vector<TestPeer> DialMany(RelayRig& rig, size_t count) {
  std::vector<TestPeer> clients;
  for (size_t i = 0; i < count; ++i) clients.push_back(rig.Dial());
  return clients;
}

// A byte goes both ways through each.
void ExpectServed(RelayRig& rig, std::vector<TestPeer>* clients) {
  std::vector<TestPeer> upstreams;
  for (size_t i = 0; i < clients->size(); ++i) upstreams.push_back(rig.Take());
  for (TestPeer& client : *clients) ASSERT_TRUE(rig.SendAll(&client, "q"));
  for (TestPeer& upstream : upstreams) {
    ASSERT_TRUE(rig.ReadBytes(&upstream, 1));
    ASSERT_TRUE(rig.SendAll(&upstream, "a"));
  }
  for (TestPeer& client : *clients) ASSERT_TRUE(rig.ReadBytes(&client, 1));
}

TEST_P(RelayMatrix, Shard_EveryArrangementServes) {
  constexpr size_t kReactors = 3;
  constexpr size_t kClients = 24;
  for (const AcceptMode mode : kModes) {
    for (const ShardPolicy policy : kEven) {
      SCOPED_TRACE(Name(mode, policy));
      RelayRig& rig =
          Make({.reactors = kReactors, .shard = policy, .accept = mode});
      std::vector<TestPeer> clients = DialMany(rig, kClients);
      ExpectServed(rig, &clients);
      if (noisy()) continue;  // which ends connections in the queue
      size_t least = kClients;
      size_t most = 0;
      for (size_t i = 0; i < kReactors; ++i) {
        least = std::min(least, rig.worker(i).sessions());
        most = std::max(most, rig.worker(i).sessions());
      }
      // Of round_robin each accepting loop has a turn of its own.
      const bool turns =
          policy == ShardPolicy::kRoundRobin && mode != AcceptMode::kDedicated;
      EXPECT_LE(most - least, turns ? kReactors : 1u);
    }
  }
}

TEST_P(RelayMatrix, Shard_LocalKeepsWhatItAccepts) {
  for (const AcceptMode mode : {AcceptMode::kShared, AcceptMode::kReuseport}) {
    RelayRig& rig = Make({.reactors = 2, .accept = mode});
    std::vector<TestPeer> clients = DialMany(rig, 20);
    ExpectServed(rig, &clients);
    EXPECT_EQ(rig.worker(0).metrics().handoff.Read().counts,
              rig.worker(1).metrics().handoff.Read().counts);
  }
}

TEST_P(RelayMatrix, Shard_OneReactorWorksInEach) {
  for (const AcceptMode mode : kModes) {
    SCOPED_TRACE(AcceptModeName(mode));
    RelayRig& rig = Make({.shard = ShardPolicy::kLag, .accept = mode});
    std::vector<TestPeer> clients = DialMany(rig, 5);
    ExpectServed(rig, &clients);
  }
}

// Unix sockets have no queue for each reactor.
TEST_P(RelayMatrix, Shard_UnixSocketsAreShared) {
  for (const AcceptMode mode : kModes) {
    SCOPED_TRACE(AcceptModeName(mode));
    RelayRig& rig = Make({.wire = {AF_UNIX, AF_UNIX},
                          .reactors = 2,
                          .shard = ShardPolicy::kRoundRobin,
                          .accept = mode});
    std::vector<TestPeer> clients = DialMany(rig, 6);
    ExpectServed(rig, &clients);
  }
}

// Each socket of its own pauses for itself; the dedicated loop for all.
TEST_P(RelayCalls, Shard_ShortagePausesAndResumes) {
  for (const AcceptMode mode : kModes) {
    SCOPED_TRACE(AcceptModeName(mode));
    RelayRig& rig = Make({.reactors = 2, .accept = mode});
    rig.kernel().Inject({.call = Call::kAccept, .error = EMFILE, .count = 4});
    std::vector<TestPeer> clients = DialMany(rig, 12);
    rig.Rounds(50);  // the clock stands
    EXPECT_LE(rig.kernel().calls(Call::kAccept), 2u) << "it spins";
    rig.ExpectQuiet();
    rig.Pass(milliseconds(200), milliseconds(1));
    EXPECT_EQ(rig.Accepted(), clients.size());
    EXPECT_EQ(rig.AcceptErrors(AcceptError::kDescriptors), 4u);
    ExpectServed(rig, &clients);
  }
}

// The loop that accepts learns at once that a session elsewhere has ended, and
// waits without a call until then.
TEST_P(RelayCalls, Shard_DedicatedResumesWhenThereIsRoom) {
  RelayRig& rig = Make({.reactors = 2,
                        .max_connections = 2,
                        .shard = ShardPolicy::kRoundRobin,
                        .accept = AcceptMode::kDedicated});
  std::vector<Link> links;
  for (int i = 0; i < 2; ++i) links.push_back(rig.Open());
  std::vector<TestPeer> waiting = DialMany(rig, 2);
  ASSERT_TRUE(
      rig.DriveUntil([&] { return rig.AcceptErrors(AcceptError::kLimit); }));
  rig.Pass(seconds(1), milliseconds(10));  // the delay is at its longest
  rig.ExpectQuiet();
  for (size_t i = 0; i < 2; ++i) {
    links[i].client.Close();
    EXPECT_EQ(rig.ReadEnd(&links[i].upstream), 0);
    links[i].upstream.Close();
    ASSERT_TRUE(rig.DriveUntil([&] { return rig.Closed() == i + 1; }));
    rig.Rounds(6);  // the clock stands
    EXPECT_EQ(rig.Accepted(), 3 + i);
  }
  ExpectServed(rig, &waiting);
}

// No descriptor for an upstream: the loop that accepts is told.
TEST_P(RelayCalls, Shard_ShortageOfAWorkerReachesTheDedicatedLoop) {
  RelayRig& rig = Make({.accept = AcceptMode::kDedicated});
  rig.kernel().Inject({.call = Call::kSocket, .error = EMFILE});
  TestPeer first = rig.Dial();
  EXPECT_EQ(rig.ReadEnd(&first), ECONNRESET);
  ASSERT_TRUE(rig.DriveUntil(
      [&] { return rig.AcceptErrors(AcceptError::kDescriptors) == 1; }));
  std::vector<TestPeer> later = DialMany(rig, 2);
  rig.Rounds(20);  // the clock stands
  EXPECT_EQ(rig.Accepted(), 1u);
  ExpectServed(rig, &later);
}

// Stopping takes what clients completed before, from every queue.
TEST_P(RelayCalls, Shard_StopServesEveryQueue) {
  for (const AcceptMode mode : kModes) {
    SCOPED_TRACE(AcceptModeName(mode));
    RelayRig& rig = Make({.reactors = 2, .accept = mode});
    std::vector<TestPeer> clients = DialMany(rig, 60);
    ASSERT_TRUE(rig.StopAccepting());
    EXPECT_EQ(rig.Accepted(), clients.size());
    // What comes before the sockets are closed is left for the last look.
    std::vector<TestPeer> late = DialMany(rig, 20);
    for (size_t i = 0; i < 2; ++i) {
      rig.gate().TakeQueue({0, rig.listen_fd(i), FdKind::kTcp});
      if (rig.listen_fd(0) == rig.listen_fd(1)) break;
    }
    EXPECT_EQ(rig.Accepted(), clients.size() + late.size());
    for (TestPeer& client : late) clients.push_back(std::move(client));
    ExpectServed(rig, &clients);
  }
}

// Loop 1 is late: what comes goes to loop 0, and comes back afterwards.
TEST_P(RelayCalls, Shard_LagSparesTheLoopThatIsLate) {
  for (const AcceptMode mode : kModes) {
    SCOPED_TRACE(AcceptModeName(mode));
    RelayRig& rig =
        Make({.reactors = 2, .shard = ShardPolicy::kLag, .accept = mode});
    // While this callback of loop 1 runs, the others go on.
    std::vector<TestPeer> clients;
    const size_t acceptor = mode == AcceptMode::kDedicated ? 2 : 0;
    rig.reactor(1).Post([&] {
      rig.clock().Advance(milliseconds(20));
      for (int i = 0; i < 10; ++i) clients.push_back(rig.Dial());
      const size_t before = rig.Accepted();
      for (int i = 0; i < 100; ++i) {
        rig.reactor(acceptor).RunOnce(Duration::zero());
      }
      // (Of its own queue, with reuseport, it takes none now.)
      const size_t came = rig.Accepted() - before;
      EXPECT_GT(came, 0u);
      for (int i = 0; i < 3; ++i) rig.reactor(0).RunOnce(Duration::zero());
      EXPECT_EQ(rig.loads().Load(0), static_cast<int64_t>(came));
      EXPECT_EQ(rig.loads().Load(1), 0);
    });
    rig.reactor(1).RunOnce(Duration::zero());
    ExpectServed(rig, &clients);
    rig.Pass(seconds(3), milliseconds(100));
    std::vector<TestPeer> more = DialMany(rig, 30);
    ExpectServed(rig, &more);
    EXPECT_EQ(rig.worker(0).sessions(), 20u);
    EXPECT_EQ(rig.worker(1).sessions(), 20u);
  }
}

// How many calls a connection costs the listener.
TEST_P(RelayCalls, Shard_AcceptAsksNotTwiceForOne) {
  RelayRig& rig = Make();
  constexpr int kClients = 90;
  for (int i = 0; i < kClients; ++i) {
    TestPeer client = rig.Dial();
    ASSERT_TRUE(rig.DriveUntil(
        [&] { return rig.Accepted() == static_cast<uint64_t>(i + 1); }));
  }
  // One in nine looks whether there are more by now.
  EXPECT_LE(rig.kernel().calls(Call::kAccept), uint64_t{kClients} * 10 / 8);
  std::vector<TestPeer> burst = DialMany(rig, 200);
  const uint64_t before = rig.kernel().calls(Call::kAccept);
  rig.Rounds(30);
  EXPECT_EQ(rig.Accepted(), kClients + burst.size());
  EXPECT_LE(rig.kernel().calls(Call::kAccept) - before, burst.size() + 5);
}

INSTANTIATE_RELAY_MATRIX();
INSTANTIATE_RELAY_CALLS();

}  // namespace
}  // namespace weir
