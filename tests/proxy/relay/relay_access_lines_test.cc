// The access log: lines of connections that go on, and a ring that is full.

#include <chrono>
#include <cstdint>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "proxy/config/accept_mode.h"
#include "proxy/config/shard_policy_kind.h"
#include "tests/proxy/relay/access_lines.h"
#include "tests/proxy/relay/relay_matrix.h"
#include "tests/support/relay_rig.h"
#include "tests/support/test_peer.h"

namespace weir {
namespace {

using nlohmann::json;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_P(RelayCalls, Access_OpenLines) {
  RelayRig& rig = Make(Logged({.open_lines = true, .ring_bytes = kAccessRing}));
  Link link = rig.Open();
  std::vector<json> lines = Lines(rig);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["event"], "open");
  EXPECT_EQ(lines[0]["upstream"], rig.upstream_address().ToString());
  EXPECT_EQ(lines[0]["client"], NameOf(link.client));
  EXPECT_TRUE(lines[0].contains("connect"));
  EXPECT_TRUE(lines[0].contains("upstream_retransmits"));
  EXPECT_FALSE(lines[0].contains("first_byte"));
  EXPECT_FALSE(lines[0].contains("reason"));
  // One that is never open.
  rig.StopUpstream();
  TestPeer refused = rig.Dial();
  rig.ReadEnd(&refused);
  lines = Lines(rig);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["event"], "close");
  EXPECT_EQ(lines[0]["connection"], 2);
}

TEST_P(RelayCalls, Access_UpdatesOfConnectionsThatLast) {
  RelayRig& rig =
      Make(Logged({.every = seconds(10), .ring_bytes = kAccessRing}));
  rig.Pass(seconds(5), milliseconds(100));
  Link link = rig.Open();
  rig.Pass(seconds(9), milliseconds(100));  // a look comes too early for it
  EXPECT_TRUE(Lines(rig).empty());
  std::vector<json> lines;
  for (int i = 1; i <= 3; ++i) {
    rig.Pass(seconds(10), milliseconds(100));
    lines = Lines(rig);
    ASSERT_EQ(lines.size(), 1u) << i;
    EXPECT_EQ(lines[0]["event"], "update");
    EXPECT_FALSE(lines[0].contains("reason"));
    EXPECT_NEAR(lines[0]["duration"].get<double>(), 5 + 10 * i, 1);
  }
  link.client.Reset();
  rig.ReadEnd(&link.upstream);
  rig.Pass(seconds(21), milliseconds(100));
  lines = Lines(rig);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["event"], "close");
}

// Many that last take many turns, and may end meanwhile.
TEST_P(RelayCalls, Access_UpdatesAFewAtATime) {
  RelayRig::Options options =
      Logged({.every = seconds(10), .ring_bytes = kAccessRing});
  options.resolved = false;
  options.spec.connect_timeout = hours(1);
  RelayRig& rig = Make(options);
  rig.Pass(seconds(1), milliseconds(100));
  const std::vector<TestPeer> clients = Crowd(rig, 100);
  rig.Pass(seconds(10), milliseconds(100));
  EXPECT_TRUE(Lines(rig).empty());
  rig.clock().Advance(seconds(11));
  std::set<uint64_t> seen;
  int turns = 0;
  for (int i = 0; i < 20; ++i) {
    rig.Rounds(1);
    const std::vector<json> lines = Lines(rig);
    EXPECT_LE(lines.size(), 16u);
    turns += lines.empty() ? 0 : 1;
    for (const json& line : lines) {
      EXPECT_EQ(line["event"], "update");
      EXPECT_TRUE(seen.insert(line["connection"].get<uint64_t>()).second);
    }
  }
  EXPECT_EQ(seen.size(), 100u);
  EXPECT_EQ(turns, 7);

  rig.clock().Advance(seconds(11));
  ASSERT_TRUE(Still(rig, [&] { return !Lines(rig).empty(); }));
  rig.worker().CutAll();
  rig.Rounds(20);
  const std::vector<json> lines = Lines(rig);
  EXPECT_EQ(lines.size(), 100u);
  for (const json& line : lines) EXPECT_EQ(line["event"], "close");
}

// The rig compares lines and what is dropped with what was closed.
TEST_P(RelayCalls, Access_AFullRingLosesNothingUncounted) {
  for (const AcceptMode accept :
       {AcceptMode::kShared, AcceptMode::kDedicated}) {
    RelayRig::Options options = Logged({.ring_bytes = 4096});
    options.reactors = 2;
    options.accept = accept;
    options.shard = ShardPolicy::kLeast;
    options.resolved = false;
    RelayRig& rig = Make(options);
    size_t lines = 0;
    for (int i = 0; i < 3; ++i) {
      const std::vector<TestPeer> clients = Crowd(rig, 100);
      for (size_t w = 0; w < 2; ++w) rig.worker(w).CutAll();
      lines += Lines(rig).size();
    }
    EXPECT_EQ(rig.Closed(), 300u);
    EXPECT_GT(lines, 10u);
    EXPECT_GT(rig.access(0).dropped().Value(), 0u);
    EXPECT_GT(rig.access(1).dropped().Value(), 0u);
    EXPECT_EQ(lines + rig.access(0).dropped().Value() +
                  rig.access(1).dropped().Value(),
              300u);
  }
}

INSTANTIATE_RELAY_CALLS();

}  // namespace
}  // namespace weir
