// The access log: a line for each end, and what it says.

#include <errno.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "proxy/config/accept_mode.h"
#include "proxy/config/shard_policy_kind.h"
#include "proxy/observe/access_log/access_sink.h"
#include "proxy/observe/close_reason.h"
#include "proxy/observe/forward_metrics.h"
#include "proxy/relay/session.h"
#include "reactor/address.h"
#include "reactor/clock.h"
#include "tests/proxy/relay/relay_matrix.h"
#include "tests/support/faulty_kernel.h"
#include "tests/support/relay_rig.h"
#include "tests/support/test_peer.h"

namespace weir {
namespace {

using nlohmann::json;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kRing = 1 << 18;

RelayRig::Options Logged(AccessSink::Options access = {.ring_bytes = kRing}) {
  RelayRig::Options options;
  options.access = std::move(access);
  return options;
}

std::vector<json> Lines(RelayRig& rig) {
  const std::string text = rig.TakeAccess();
  std::vector<json> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    lines.push_back(json::parse(text.substr(at, end - at)));
    at = end + 1;
  }
  return lines;
}

// Rounds while the clock stands still.
bool Still(RelayRig& rig, const std::function<bool()>& condition) {
  for (int i = 0; i < 1'000'000; ++i) {
    if (condition()) return true;
    rig.Rounds(1);
  }
  return false;
}

std::string NameOf(const TestPeer& peer) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  auto* const name = reinterpret_cast<sockaddr*>(&storage);
  EXPECT_EQ(::getsockname(peer.fd(), name, &size), 0);
  return Address::FromSockaddr(name, size).ToString();
}

std::vector<TestPeer> Crowd(RelayRig& rig, size_t count) {
  std::vector<TestPeer> clients;
  for (size_t i = 0; i < count; ++i) clients.push_back(rig.Dial());
  EXPECT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == count; }));
  return clients;
}

TEST_P(RelayCalls, Access_AClosedConnectionTellsAll) {
  for (const Wire& wire : kAllWires) {
    SCOPED_TRACE(WireName(wire));
    RelayRig::Options options = Logged();
    options.wire = wire;
    options.resolved = false;
    RelayRig& rig = Make(options);
    Link link;
    link.client = rig.Dial();
    ASSERT_TRUE(
        rig.DriveUntil([&] { return rig.Active(Stage::kWaiting) == 1; }));
    rig.clock().Advance(milliseconds(5));  // for the name
    rig.Rounds(1);
    rig.Resolve({rig.upstream_address()});
    rig.clock().Advance(milliseconds(3));  // to connect
    ASSERT_TRUE(
        Still(rig, [&] { return rig.Connects(ConnectResult::kOk) == 1; }));
    link.upstream = rig.Take();
    const bool tcp[] = {wire.client != AF_UNIX, wire.upstream != AF_UNIX};
    if (tcp[0]) rig.kernel().AddRetransmits(rig.kernel().last_accepted(), 3);
    if (tcp[1]) rig.kernel().AddRetransmits(rig.kernel().last_socket(), 4);
    rig.clock().Advance(milliseconds(7));  // to the first byte
    link.upstream.Send("hello");
    ASSERT_TRUE(Still(rig, [&] {
      link.client.Read();
      return link.client.received().size() == 5;
    }));
    rig.clock().Advance(milliseconds(10));
    link.upstream.Send("!");
    link.client.Send("question");
    ASSERT_TRUE(Still(rig, [&] {
      link.upstream.Read();
      return link.upstream.received().size() == 8;
    }));
    link.client.Shutdown();
    ASSERT_TRUE(Still(rig, [&] {
      link.upstream.Read();
      return link.upstream.end() == 0;
    }));
    EXPECT_TRUE(Lines(rig).empty());
    link.upstream.Shutdown();
    ASSERT_TRUE(Still(rig, [&] { return rig.Sessions() == 0; }));

    json expected = {
        {"time", "1970-01-01T01:00:00.025000Z"},
        {"event", "close"},
        {"forward", "test"},
        {"connection", 1},
        {"reactor", 0},
        {"client", NameOf(link.client)},
        {"target", "upstream"},
        {"upstream", rig.upstream_address().ToString()},
        {"duration", 0.025},
        {"connect", tcp[1] ? 0.003 : 0.0},
        {"first_byte", 0.015},
        {"bytes_up", 8},
        {"bytes_down", 6},
        {"reason", "client_fin"},
    };
    if (tcp[0]) expected["client_retransmits"] = 3;
    if (tcp[1]) expected["upstream_retransmits"] = 4;
    const std::vector<json> lines = Lines(rig);
    ASSERT_EQ(lines.size(), 1u);
    json line = lines[0];
    // Rounds without news move it until the first event.
    EXPECT_GE(line["time"].get<std::string>(), expected["time"]);
    line.erase("time");
    expected.erase("time");
    EXPECT_EQ(line, expected);
  }
}

// One connection that ends as `end` says, and its line.
void ExpectEnd(RelayRig& rig, CloseReason reason, bool connected,
               const std::function<void(RelayRig& rig)>& end) {
  const std::string name(CloseReasonName(reason));
  SCOPED_TRACE(name);
  end(rig);
  ASSERT_TRUE(rig.DriveUntil([&] { return rig.Closed() == 1; }));
  EXPECT_EQ(rig.Closed(reason), 1u);
  const std::vector<json> lines = Lines(rig);
  ASSERT_EQ(lines.size(), 1u);
  const json& line = lines[0];
  EXPECT_EQ(line["event"], "close");
  EXPECT_EQ(line["reason"], name);
  EXPECT_EQ(line.contains("upstream"), reason != CloseReason::kDnsFailed);
  EXPECT_EQ(line.contains("connect"), connected);
  EXPECT_EQ(line.contains("upstream_retransmits"), connected);
  EXPECT_TRUE(line.contains("client_retransmits"));
  EXPECT_FALSE(line.contains("first_byte"));
  EXPECT_EQ(line["bytes_up"], 0);
  EXPECT_EQ(line["bytes_down"], 0);
}

TEST_P(RelayCalls, Access_EachEndSaysWhy) {
  ExpectEnd(Make(Logged()), CloseReason::kUpstreamFin, true, [](RelayRig& rig) {
    Link link = rig.Open();
    link.upstream.Shutdown();
    rig.ReadEnd(&link.client);
    link.client.Shutdown();
    rig.ReadEnd(&link.upstream);
  });
  ExpectEnd(Make(Logged()), CloseReason::kClientReset, true, [](RelayRig& rig) {
    Link link = rig.Open();
    link.client.Reset();
    rig.ReadEnd(&link.upstream);
  });
  ExpectEnd(Make(Logged()), CloseReason::kUpstreamReset, true,
            [](RelayRig& rig) {
              Link link = rig.Open();
              link.upstream.Reset();
              rig.ReadEnd(&link.client);
            });
  ExpectEnd(Make(Logged()), CloseReason::kConnectRefused, false,
            [](RelayRig& rig) {
              rig.StopUpstream();
              TestPeer client = rig.Dial();
              rig.ReadEnd(&client);
            });
  ExpectEnd(Make(Logged()), CloseReason::kResources, false, [](RelayRig& rig) {
    rig.kernel().Inject({.call = Call::kSocket, .error = EMFILE});
    TestPeer client = rig.Dial();
    rig.ReadEnd(&client);
  });
  ExpectEnd(Make(Logged()), CloseReason::kKilled, true, [](RelayRig& rig) {
    Link link = rig.Open();
    rig.worker().Find(1)->Kill();
  });
  ExpectEnd(Make(Logged()), CloseReason::kDrainIdle, true, [](RelayRig& rig) {
    Link link = rig.Open();
    rig.worker().EndIdle(Duration::zero(), Duration::zero());
    rig.ReadEnd(&link.client);
  });
  ExpectEnd(Make(Logged()), CloseReason::kDrainForced, true, [](RelayRig& rig) {
    Link link = rig.Open();
    rig.worker().EndAll();
  });
  RelayRig::Options options = Logged();
  options.spec.idle_timeout = seconds(5);
  ExpectEnd(Make(options), CloseReason::kIdleTimeout, true, [](RelayRig& rig) {
    Link link = rig.Open();
    rig.Pass(seconds(6), milliseconds(100));
  });
  options = Logged();
  options.spec.lifetime = seconds(5);
  ExpectEnd(Make(options), CloseReason::kLifetime, true, [](RelayRig& rig) {
    Link link = rig.Open();
    rig.Pass(seconds(6), milliseconds(100));
  });
  options = Logged();
  options.resolved = false;
  ExpectEnd(Make(options), CloseReason::kDnsFailed, false, [](RelayRig& rig) {
    TestPeer client = rig.Dial();
    EXPECT_TRUE(
        rig.DriveUntil([&] { return rig.Active(Stage::kWaiting) == 1; }));
    rig.Resolve({});
    rig.ReadEnd(&client);
  });
}

// Nobody is asked for what no line says.
TEST_P(RelayCalls, Access_TheKernelIsAskedForALineAlone) {
  for (const bool logged : {false, true}) {
    SCOPED_TRACE(logged);
    RelayRig& rig = Make(logged ? Logged() : RelayRig::Options());
    Link link = rig.Open();
    const uint64_t before = rig.kernel().calls(Call::kGetSockOpt);
    ASSERT_TRUE(rig.SendAll(&link.client, "question"));
    ASSERT_TRUE(rig.ReadBytes(&link.upstream, 8));
    EXPECT_EQ(rig.kernel().calls(Call::kGetSockOpt), before);
    rig.worker().Find(1)->Kill();
    EXPECT_EQ(rig.kernel().calls(Call::kGetSockOpt) - before, logged ? 2u : 0u);
  }
}

TEST_P(RelayCalls, Access_RetransmitsThatTheKernelDoesNotTell) {
  RelayRig& rig = Make(Logged());
  Link link = rig.Open();
  rig.kernel().Inject({.call = Call::kGetSockOpt,
                       .error = ENOPROTOOPT,
                       .fd = rig.kernel().last_accepted()});
  rig.worker().Find(1)->Kill();
  const std::vector<json> lines = Lines(rig);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_FALSE(lines[0].contains("client_retransmits"));
  EXPECT_EQ(lines[0]["upstream_retransmits"], 0);
}

TEST_P(RelayCalls, Access_AConnectionThatMovesHasOneLine) {
  RelayRig::Options options = Logged();
  options.reactors = 2;
  options.resolved = false;
  RelayRig& rig = Make(options);
  Link link;
  link.client = rig.Dial();
  ASSERT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 1; }));
  const size_t from = rig.worker(0).sessions() == 1 ? 0 : 1;
  rig.Resolve({rig.upstream_address()});
  rig.clock().Advance(milliseconds(3));
  ASSERT_TRUE(
      Still(rig, [&] { return rig.Connects(ConnectResult::kOk) == 1; }));
  link.upstream = rig.Take();
  rig.clock().Advance(milliseconds(4));
  ASSERT_TRUE(rig.SendAll(&link.upstream, "hello"));
  ASSERT_TRUE(Still(rig, [&] {
    link.client.Read();
    return link.client.received().size() == 5;
  }));
  ASSERT_TRUE(rig.Move(from, 1 - from));
  EXPECT_TRUE(Lines(rig).empty()) << "it goes on";
  ASSERT_TRUE(rig.SendAll(&link.upstream, " again"));
  ASSERT_TRUE(rig.ReadBytes(&link.client, 11));
  link.client.Reset();
  ASSERT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 0; }));
  const std::vector<json> lines = Lines(rig);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["reactor"], 1 - from);
  EXPECT_EQ(lines[0]["connect"], 0.003);
  EXPECT_EQ(lines[0]["first_byte"], 0.007);
  EXPECT_EQ(lines[0]["bytes_down"], 11);
}

TEST_P(RelayCalls, Access_OpenLines) {
  RelayRig& rig = Make(Logged({.open_lines = true, .ring_bytes = kRing}));
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
  RelayRig& rig = Make(Logged({.every = seconds(10), .ring_bytes = kRing}));
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
      Logged({.every = seconds(10), .ring_bytes = kRing});
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
  rig.worker().EndAll();
  rig.Rounds(20);
  const std::vector<json> lines = Lines(rig);
  EXPECT_EQ(lines.size(), 100u);
  for (const json& line : lines) EXPECT_EQ(line["event"], "close");
}

// Whatever is cut when the process stops has its line.
TEST_P(RelayCalls, Access_CutAll) {
  RelayRig& rig = Make(Logged());
  Link link = rig.Open();
  Link other = rig.Open();
  rig.worker().CutAll();
  EXPECT_EQ(rig.Sessions(), 0u);
  const std::vector<json> lines = Lines(rig);
  ASSERT_EQ(lines.size(), 2u);
  for (const json& line : lines) EXPECT_EQ(line["reason"], "drain_forced");
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
      for (size_t w = 0; w < 2; ++w) rig.worker(w).EndAll();
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
