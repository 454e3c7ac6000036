// What a loop says it does, and for whom, while it makes its system calls.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "proxy/relay/injected_stall.h"
#include "reactor/callback_kind.h"
#include "reactor/clock.h"
#include "reactor/stall.h"
#include "tests/proxy/relay/relay_matrix.h"
#include "tests/support/faulty_kernel.h"
#include "tests/support/relay_rig.h"
#include "tests/support/test_peer.h"

namespace weir {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

class RelaySubjects : public RelayMatrix {
 protected:
  RelayRig& Watch(RelayRig::Options options = {}) {
    RelayRig& rig = Make(std::move(options));
    rig.kernel().SetHook([this, &rig](Call call, int) {
      const LoopActivity activity = rig.monitor().Activity(rig.clock());
      if (activity.phase != LoopActivity::Phase::kBusy) return;
      seen_[call].insert({activity.kind, activity.subject.connection});
      if (activity.subject.connection != 0 ||
          activity.kind == CallbackKind::kAccept) {
        EXPECT_EQ(activity.subject.forward, 0u);
      }
    });
    return rig;
  }

  using Seen = std::set<std::pair<CallbackKind, uint64_t>>;
  std::map<Call, Seen> seen_;
};

TEST_P(RelaySubjects, Subjects_OfAConnectionsLife) {
  RelayRig& rig = Watch();
  Link link = rig.Open();
  const uint64_t id = rig.worker().Find(1) != nullptr ? 1 : 0;
  EXPECT_TRUE(seen_[Call::kAccept].contains({CallbackKind::kAccept, 0}));
  EXPECT_EQ(seen_[Call::kConnect], (Seen{{CallbackKind::kConnect, id}}));

  seen_.clear();
  ASSERT_TRUE(rig.SendAll(&link.client, "ping"));
  ASSERT_TRUE(rig.ReadBytes(&link.upstream, 4));
  EXPECT_EQ(seen_[Call::kSend], (Seen{{CallbackKind::kRelay, id}}));
  EXPECT_EQ(seen_[Call::kRecv], (Seen{{CallbackKind::kRelay, id}}));

  seen_.clear();
  link.client.Close();
  link.upstream.Close();
  ASSERT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 0; }));
  EXPECT_TRUE(seen_[Call::kClose].contains({CallbackKind::kClose, id}));
}

// Each connection of a batch is a matter of its own.
TEST_P(RelaySubjects, Subjects_OfABatch) {
  RelayRig& rig = Watch();
  std::vector<TestPeer> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(rig.Dial());
  ASSERT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 3; }));
  EXPECT_EQ(seen_[Call::kConnect], (Seen{{CallbackKind::kConnect, 1},
                                         {CallbackKind::kConnect, 2},
                                         {CallbackKind::kConnect, 3}}));
}

TEST_P(RelaySubjects, Subjects_OfATimer) {
  RelayRig::Options options;
  options.spec.idle_timeout = minutes(1);
  RelayRig& rig = Watch(std::move(options));
  Link link = rig.Open();
  seen_.clear();
  rig.Pass(minutes(1), milliseconds(500));
  // It looks at the send queues before it gives up.
  EXPECT_EQ(seen_[Call::kSendQueue], (Seen{{CallbackKind::kTimer, 1}}));
}

TEST_P(RelaySubjects, Subjects_OfAHandOff) {
  RelayRig& rig = Make(
      {.reactors = 2, .shard = ShardPolicy::kRoundRobin, .resolved = false});
  TestPeer clients[2] = {rig.Dial(), rig.Dial()};
  // One loop accepts both, keeps one and hands the other over.
  for (int rounds = 0; rounds < 1000 && rig.Accepted() < 2; ++rounds) {
    rig.reactor(0).RunOnce(Duration::zero());
  }
  ASSERT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 2; }));
  // What a loop did last stands there until its next round.
  Seen last;
  for (size_t i = 0; i < 2; ++i) {
    const LoopActivity activity = rig.monitor(i).Activity(rig.clock());
    if (activity.kind != CallbackKind::kHandoff) continue;
    EXPECT_EQ(activity.subject.forward, 0u);
    EXPECT_NE(rig.worker(i).Find(activity.subject.connection), nullptr);
    last.insert({activity.kind, activity.subject.connection});
  }
  EXPECT_EQ(last.size(), 1u);
}

// A stall is that session's, as if its own bytes had caused it.
TEST_P(RelaySubjects, Subjects_OfAnInjectedStall) {
  RelayRig& rig = Make();
  Link link = rig.Open();
  // What the loop did last for the session is over.
  rig.reactor().Post([] {});
  rig.Rounds(2);
  std::atomic<bool> stop{false};
  std::atomic<bool> seen{false};
  std::thread watcher([&] {
    while (!stop && !seen) {
      const LoopActivity activity = rig.monitor().Activity(rig.clock());
      seen = activity.kind == CallbackKind::kRelay &&
             activity.subject.connection == 1 && activity.subject.forward == 0;
    }
  });
  // The watcher may not have a processor at once.
  for (int i = 0; i < 1000 && !seen; ++i) {
    rig.worker().InjectStall(InjectedStall::kBlocked, milliseconds(10), 1,
                             [](bool found) { EXPECT_TRUE(found); });
    rig.Rounds(1);
  }
  stop = true;
  watcher.join();
  EXPECT_TRUE(seen);
}

INSTANTIATE_TEST_SUITE_P(All, RelaySubjects,
                         WEIR_RELAY_CASES(SpliceMode::kAuto), MatrixName);

}  // namespace
}  // namespace weir
