// What an operator asks of a worker: a list, an end, a stall.

#include <errno.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "proxy/observe/close_reason.h"
#include "proxy/observe/forward_metrics.h"
#include "proxy/relay/injected_stall.h"
#include "proxy/relay/relay_pools.h"
#include "proxy/relay/session_info.h"
#include "proxy/relay/session_walk.h"
#include "reactor/clock.h"
#include "tests/proxy/relay/relay_matrix.h"
#include "tests/support/faulty_kernel.h"
#include "tests/support/relay_rig.h"
#include "tests/support/test_peer.h"

namespace weir {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kAll = 10'000;

// Sends until a pump holds what the other side does not take. (On unix sockets
// little fits between.)
void Block(RelayRig& rig, TestPeer& peer) {
  const std::string chunk(16 * 1024, 'x');
  ASSERT_TRUE(rig.DriveUntil([&] {
    peer.Send(chunk);
    return rig.Lent() + rig.LentPipes() > 0;
  }));
}

std::optional<SessionList> ListOf(RelayRig& rig, size_t limit = kAll,
                                  std::optional<size_t> forward = {}) {
  std::optional<SessionList> list;
  rig.worker().List(forward, limit,
                    [&](SessionList found) { list = std::move(found); });
  EXPECT_TRUE(rig.DriveUntil([&] { return list.has_value(); }));
  return list;
}

std::optional<bool> Kill(RelayRig& rig, uint64_t id) {
  std::optional<bool> killed;
  rig.worker().Kill(id, [&](bool found) { killed = found; });
  EXPECT_TRUE(rig.DriveUntil([&] { return killed.has_value(); }));
  return killed;
}

// Clients whose sessions wait for a name: without an upstream they are cheap.
std::vector<TestPeer> Crowd(RelayRig& rig, size_t count) {
  std::vector<TestPeer> clients;
  for (size_t i = 0; i < count; ++i) clients.push_back(rig.Dial());
  EXPECT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == count; }));
  return clients;
}

// More than a turn, and few enough for select.
constexpr size_t kCrowd = SessionWalks::kPerTurn + 100;

TEST_P(RelayMatrix, Questions_ListTellsOfASession) {
  for (const Wire& wire : kAllWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig& rig = Make(wire);
    Link link = rig.Open();
    ASSERT_TRUE(rig.SendAll(&link.client, "question"));
    ASSERT_TRUE(rig.ReadBytes(&link.upstream, 8));
    ASSERT_TRUE(rig.SendAll(&link.upstream, "yes"));
    ASSERT_TRUE(rig.ReadBytes(&link.client, 3));
    const MonoTime now = rig.reactor().Now();
    rig.clock().Advance(seconds(5));
    const auto list = ListOf(rig);
    ASSERT_TRUE(list.has_value());
    EXPECT_EQ(list->total, 1u);
    ASSERT_EQ(list->sessions.size(), 1u);
    const SessionInfo& info = list->sessions[0];
    EXPECT_NE(rig.worker().Find(info.id), nullptr);
    EXPECT_EQ(info.forward, 0u);
    EXPECT_EQ(info.reactor, 0u);
    EXPECT_EQ(info.stage, Stage::kRelaying);
    EXPECT_EQ(info.client.ToString().substr(0, 5),
              rig.listen_address().ToString().substr(0, 5));
    EXPECT_EQ(info.upstream, rig.upstream_address());
    EXPECT_LE(info.opened_at, info.progress_at);
    EXPECT_LE(info.progress_at, now);
    EXPECT_EQ(info.bytes_up, 8u);
    EXPECT_EQ(info.bytes_down, 3u);
    EXPECT_EQ(info.buffered_up + info.buffered_down, 0u);
    EXPECT_EQ(info.path, Spliced() ? RelayPath::kSplice : RelayPath::kCopy);
  }
}

TEST_P(RelayCalls, Questions_ListTellsWhatIsBuffered) {
  RelayRig& rig = Make({AF_UNIX, AF_UNIX});
  Link link = rig.Open();
  Block(rig, link.upstream);
  const auto list = ListOf(rig);
  ASSERT_EQ(list->sessions.size(), 1u);
  EXPECT_EQ(list->sessions[0].buffered_up, 0u);
  const RelayPools& pools = rig.worker().pools();
  EXPECT_EQ(list->sessions[0].buffered_down,
            static_cast<size_t>(pools.buffers.held().Value() +
                                pools.pipes.metrics().held.Value()));
}

TEST_P(RelayCalls, Questions_ListOfNothing) {
  RelayRig& rig = Make();
  const auto list = ListOf(rig);
  EXPECT_EQ(list->total, 0u);
  EXPECT_TRUE(list->sessions.empty());
}

TEST_P(RelayCalls, Questions_ListCountsBeyondItsLimit) {
  RelayRig& rig = Make({.resolved = false});
  const std::vector<TestPeer> clients = Crowd(rig, 10);
  const auto list = ListOf(rig, 3);
  EXPECT_EQ(list->sessions.size(), 3u);
  EXPECT_EQ(list->total, 10u);
  EXPECT_EQ(list->sessions[0].stage, Stage::kWaiting);
  EXPECT_EQ(list->sessions[0].upstream.ToString(), "none");
  EXPECT_EQ(ListOf(rig, kAll, 0)->total, 10u);
  EXPECT_EQ(ListOf(rig, kAll, 1)->total, 0u);
}

// A walk takes as many rounds as it needs, and others have theirs in between.
TEST_P(RelayCalls, Questions_ManySessionsTakeSeveralTurns) {
  RelayRig& rig = Make({.resolved = false});
  const std::vector<TestPeer> clients = Crowd(rig, kCrowd);
  std::optional<SessionList> lists[2];
  for (auto& list : lists) {
    rig.worker().List({}, kAll,
                      [&](SessionList found) { list = std::move(found); });
  }
  int rounds = 0;
  while (!lists[1].has_value() && rounds < 10) {
    rig.Rounds(1);
    ++rounds;
    EXPECT_EQ(lists[0].has_value(), rounds >= 2) << rounds;
  }
  EXPECT_EQ(rounds, 4);  // one after the other
  for (const auto& list : lists) {
    std::set<uint64_t> ids;
    for (const SessionInfo& info : list->sessions) ids.insert(info.id);
    EXPECT_EQ(ids.size(), kCrowd);
    EXPECT_EQ(list->total, kCrowd);
  }
}

// A list that is full does not look at the rest.
TEST_P(RelayCalls, Questions_AFullListIsDone) {
  RelayRig& rig = Make({.resolved = false});
  const std::vector<TestPeer> clients = Crowd(rig, kCrowd);
  for (const size_t limit : {size_t{0}, size_t{3}}) {
    std::optional<SessionList> list;
    rig.worker().List({}, limit,
                      [&](SessionList found) { list = std::move(found); });
    rig.Rounds(1);
    ASSERT_TRUE(list.has_value());
    EXPECT_EQ(list->sessions.size(), limit);
    EXPECT_EQ(list->total, kCrowd);
  }
}

// However many are to be ended, the sessions are looked at once.
TEST_P(RelayCalls, Questions_KillsShareAWalk) {
  RelayRig& rig = Make({.resolved = false});
  const std::vector<TestPeer> clients = Crowd(rig, kCrowd);
  const auto all = ListOf(rig);
  std::vector<uint64_t> ids = {4'711'000};  // none
  for (size_t i = 0; i < 20; ++i) ids.push_back(all->sessions[i * 10].id);
  ids.push_back(ids.back());  // by two
  std::vector<int> said(ids.size(), -1);
  for (size_t i = 0; i < ids.size(); ++i) {
    rig.worker().Kill(ids[i], [&said, i](bool had_it) { said[i] = had_it; });
  }
  rig.Rounds(1);
  // One that comes when the walk has begun has another.
  std::optional<bool> late;
  rig.worker().Kill(all->sessions[5].id, [&](bool had_it) { late = had_it; });
  ASSERT_TRUE(rig.DriveUntil([&] { return said[0] == 0; }));
  for (size_t i = 1; i < ids.size(); ++i) EXPECT_EQ(said[i], 1) << i;
  EXPECT_EQ(late, std::nullopt);
  rig.Rounds(1);
  EXPECT_EQ(late, true);
  EXPECT_EQ(rig.Closed(CloseReason::kKilled), 21u);
}

// Sessions end under the walk: the one that it stands on, those before it and
// behind it, and at last all.
TEST_P(RelayCalls, Questions_SessionsMayEndUnderAWalk) {
  RelayRig& rig = Make({.resolved = false});
  const std::vector<TestPeer> clients = Crowd(rig, kCrowd);
  std::vector<uint64_t> ids;
  const auto all = ListOf(rig);
  for (const SessionInfo& info : all->sessions) ids.push_back(info.id);
  ASSERT_EQ(ids.size(), kCrowd);

  std::optional<SessionList> list;
  rig.worker().List({}, kAll,
                    [&](SessionList found) { list = std::move(found); });
  rig.Rounds(1);
  const size_t here = SessionWalks::kPerTurn;
  for (const size_t i : {here, here + 1, here - 1, here + 5, kCrowd - 1}) {
    rig.worker().Find(ids[i])->Cut();
  }
  ASSERT_TRUE(rig.DriveUntil([&] { return list.has_value(); }));
  EXPECT_EQ(list->total, kCrowd - 4);
  for (const SessionInfo& info : list->sessions) {
    EXPECT_NE(info.id, ids[here]);
    EXPECT_NE(info.id, ids[kCrowd - 1]);
  }

  list.reset();
  rig.worker().List({}, kAll,
                    [&](SessionList found) { list = std::move(found); });
  rig.Rounds(1);
  rig.worker().CutAll();
  EXPECT_EQ(rig.Sessions(), 0u);
  ASSERT_TRUE(rig.DriveUntil([&] { return list.has_value(); }));
  EXPECT_EQ(list->total, SessionWalks::kPerTurn);
}

// New ones that come as fast as it goes do not keep it going for ever.
TEST_P(RelayCalls, Questions_AWalkEndsAlthoughSessionsCome) {
  RelayRig& rig = Make({.resolved = false});
  std::vector<TestPeer> clients = Crowd(rig, 300);
  std::optional<SessionList> list;
  rig.worker().List({}, kAll,
                    [&](SessionList found) { list = std::move(found); });
  rig.Rounds(1);
  for (int i = 0; i < 50; ++i) clients.push_back(rig.Dial());
  ASSERT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 350; }));
  ASSERT_TRUE(rig.DriveUntil([&] { return list.has_value(); }));
  EXPECT_EQ(list->total, 300u);
  EXPECT_EQ(list->sessions.size(), 300u);
}

TEST_P(RelayMatrix, Questions_KillResetsBothEnds) {
  for (const Wire& wire : kTcpWires) {
    RelayRig& rig = Make(wire);
    Link killed = rig.Open();
    const uint64_t id = ListOf(rig)->sessions[0].id;
    Link other = rig.Open();
    EXPECT_EQ(Kill(rig, id), true);
    EXPECT_EQ(rig.ReadEnd(&killed.client), ECONNRESET);
    EXPECT_EQ(rig.ReadEnd(&killed.upstream), ECONNRESET);
    EXPECT_EQ(rig.Closed(CloseReason::kKilled), 1u);
    EXPECT_EQ(rig.Sessions(), 1u);
    // There is none of this number now, and never was one with the other.
    EXPECT_EQ(Kill(rig, id), false);
    EXPECT_EQ(Kill(rig, 4711), false);
    ASSERT_TRUE(rig.SendAll(&other.client, "still here"));
    ASSERT_TRUE(rig.ReadBytes(&other.upstream, 10));
  }
}

TEST_P(RelayCalls, Questions_KillInEveryStage) {
  RelayRig::Options options;
  options.resolved = false;
  RelayRig& rig = Make(options);
  TestPeer waiting = rig.Dial();
  ASSERT_TRUE(rig.DriveUntil([&] { return rig.Active(Stage::kWaiting) == 1; }));
  EXPECT_EQ(Kill(rig, ListOf(rig)->sessions[0].id), true);
  EXPECT_EQ(rig.ReadEnd(&waiting), ECONNRESET);

  rig.Resolve({rig.upstream_address()});
  rig.kernel().Inject({.call = Call::kConnect, .error = EINPROGRESS});
  TestPeer connecting = rig.Dial();
  ASSERT_TRUE(
      rig.DriveUntil([&] { return rig.Active(Stage::kConnecting) == 1; }));
  EXPECT_EQ(Kill(rig, ListOf(rig)->sessions[0].id), true);
  EXPECT_EQ(rig.ReadEnd(&connecting), ECONNRESET);

  Link link = rig.Open(/*receive_buffer=*/8192);
  Block(rig, link.client);
  rig.worker().EndAll();
  rig.Rounds(1);
  ASSERT_EQ(rig.Active(Stage::kAborting), 1);
  EXPECT_EQ(Kill(rig, ListOf(rig)->sessions[0].id), true);
  EXPECT_EQ(rig.Closed(CloseReason::kKilled), 3u);
  EXPECT_EQ(rig.Sessions(), 0u);
}

// The machine's clock, whatever the loop's is.
Duration TimeOf(const std::function<void()>& what) {
  const MonoTime before = Clock::Real().Now();
  what();
  return Clock::Real().Now() - before;
}

TEST(InjectedStallTest, LastsAsLongAsAsked) {
  for (const InjectedStall how :
       {InjectedStall::kCpu, InjectedStall::kBlocked}) {
    EXPECT_GE(TimeOf([&] { InjectStall(how, milliseconds(5)); }),
              milliseconds(5));
  }
  // A moment that is over.
  InjectedSpin(Clock::Real().Now() - seconds(1));
  InjectedSleep(Clock::Real().Now() - seconds(1));
}

TEST_P(RelayCalls, Questions_StallOfALoop) {
  RelayRig& rig = Make();
  std::optional<bool> begins;
  rig.reactor().Post([&] {
    rig.worker().InjectStall(InjectedStall::kBlocked, milliseconds(5), 0,
                             [&](bool found) { begins = found; });
  });
  EXPECT_GE(TimeOf([&] { rig.Rounds(1); }), milliseconds(5));
  EXPECT_EQ(begins, true);
}

TEST_P(RelayCalls, Questions_StallOfASession) {
  RelayRig& rig = Make();
  Link link = rig.Open();
  const uint64_t id = ListOf(rig)->sessions[0].id;
  for (const InjectedStall how :
       {InjectedStall::kCpu, InjectedStall::kBlocked}) {
    std::optional<bool> begins;
    rig.worker().InjectStall(how, milliseconds(5), id,
                             [&](bool found) { begins = found; });
    EXPECT_EQ(begins, std::nullopt);
    EXPECT_GE(TimeOf([&] { rig.Rounds(1); }), milliseconds(5));
    EXPECT_EQ(begins, true);
  }
  std::optional<bool> begins;
  rig.worker().InjectStall(InjectedStall::kCpu, seconds(60), id + 1,
                           [&](bool found) { begins = found; });
  ASSERT_TRUE(rig.DriveUntil([&] { return begins.has_value(); }));
  EXPECT_EQ(begins, false);
}

INSTANTIATE_RELAY_MATRIX();
INSTANTIATE_RELAY_CALLS();

}  // namespace
}  // namespace weir
