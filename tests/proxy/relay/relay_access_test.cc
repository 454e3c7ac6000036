// The access log: a line for each end, and what it says.

#include <errno.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "proxy/observe/close_reason.h"
#include "proxy/observe/forward_metrics.h"
#include "proxy/relay/session.h"
#include "reactor/clock.h"
#include "tests/proxy/relay/access_lines.h"
#include "tests/proxy/relay/relay_matrix.h"
#include "tests/support/faulty_kernel.h"
#include "tests/support/relay_rig.h"
#include "tests/support/test_peer.h"

namespace weir {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

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
    rig.Rounds(1);
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
    rig.Rounds(1);
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
  rig.Rounds(1);
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

INSTANTIATE_RELAY_CALLS();

}  // namespace
}  // namespace weir
