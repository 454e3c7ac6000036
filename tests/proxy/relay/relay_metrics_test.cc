// What is counted of connections and bytes, while they move and at rest.

#include <errno.h>
#include <sys/socket.h>

#include <chrono>
#include <string>

#include "gtest/gtest.h"
#include "metrics/registry.h"
#include "prometheus/client_metric.h"
#include "prometheus/metric_family.h"
#include "proxy/observe/close_reason.h"
#include "proxy/observe/forward_metrics.h"
#include "reactor/address.h"
#include "tests/proxy/relay/relay_matrix.h"
#include "tests/support/faulty_kernel.h"
#include "tests/support/relay_rig.h"
#include "tests/support/test_peer.h"

namespace weir {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// What a scrape of a rig would say.
class Page {
 public:
  explicit Page(RelayRig& rig) { rig.Register(&registry_); }

  // The sum over the children that have these labels; of a histogram, the
  // number of observations.
  double Value(const std::string& name, const MetricLabels& labels = {}) const {
    return Sum(name, labels, [](const prometheus::ClientMetric& child) {
      return child.counter.value + child.gauge.value +
             static_cast<double>(child.histogram.sample_count);
    });
  }
  // The sum of what a histogram observed.
  double Total(const std::string& name) const {
    return Sum(name, {}, [](const prometheus::ClientMetric& child) {
      return child.histogram.sample_sum;
    });
  }

  void ExpectBalance() const {
    EXPECT_EQ(Value("weir_connections_accepted_total"),
              Value("weir_connections_active") +
                  Value("weir_connections_closed_total") +
                  Value("weir_connections_rejected_total"));
    EXPECT_EQ(Value("weir_received_bytes_total"),
              Value("weir_sent_bytes_total") +
                  Value("weir_discarded_bytes_total") +
                  Value("weir_reactor_buffered_bytes"));
    EXPECT_EQ(Value("weir_sent_bytes_total"),
              Value("weir_relayed_bytes_total"));
    EXPECT_EQ(Value("weir_connections_active"),
              Value("weir_reactor_connections"));
    EXPECT_EQ(Value("weir_connections_closed_total"),
              Value("weir_connection_duration_seconds"));
  }

 private:
  template <typename Function>
  double Sum(const std::string& name, const MetricLabels& labels,
             Function value) const {
    double sum = 0;
    bool found = false;
    for (const prometheus::MetricFamily& family : registry_.Collect()) {
      if (family.name != name) continue;
      for (const prometheus::ClientMetric& child : family.metric) {
        size_t fitting = 0;
        for (const auto& [label, text] : labels) {
          for (const auto& pair : child.label) {
            fitting += pair.name == label && pair.value == text;
          }
        }
        if (fitting < labels.size()) continue;
        found = true;
        sum += value(child);
      }
    }
    EXPECT_TRUE(found) << name;
    return sum;
  }

  Registry registry_;
};

// Sends until a pump holds what the other side does not take. (On unix sockets
// little fits between.)
void Block(RelayRig& rig, TestPeer& peer) {
  const std::string chunk(16 * 1024, 'x');
  ASSERT_TRUE(rig.DriveUntil([&] {
    peer.Send(chunk);
    return rig.Lent() + rig.LentPipes() > 0;
  }));
}

TEST_P(RelayMatrix, Metrics_BalanceWhileBytesMoveAndAtRest) {
  for (const Wire& wire : {Wire{}, Wire{AF_UNIX, AF_UNIX}}) {
    for (const size_t memory : {size_t{16} << 20, size_t{0}}) {
      SCOPED_TRACE(WireName(wire));
      RelayRig& rig = Make({.wire = wire, .buffer_memory = memory});
      Page page(rig);
      page.ExpectBalance();
      Link link = rig.Open(/*receive_buffer=*/16384);
      page.ExpectBalance();
      const std::string data = Pattern(600'000);
      size_t sent = 0;
      ASSERT_TRUE(rig.DriveUntil([&] {
        sent += link.client.Send(std::string_view(data).substr(sent, 100'000));
        link.upstream.Read(60'000);
        // What was peeked and sent counts as received when it is consumed,
        // which noise may put off.
        if (!noisy()) page.ExpectBalance();
        return link.upstream.received().size() == data.size();
      }));
      EXPECT_EQ(page.Value("weir_upstream_connections"), 1);
      link.client.Close();
      link.upstream.Close();
      ASSERT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 0; }));
      page.ExpectBalance();
      EXPECT_EQ(page.Value("weir_received_bytes_total", {{"side", "client"}}),
                data.size());
      EXPECT_EQ(page.Value("weir_sent_bytes_total", {{"side", "upstream"}}),
                data.size());
      EXPECT_EQ(page.Value("weir_upstream_connections"), 0);
      EXPECT_EQ(page.Value("weir_reactor_buffered_bytes"), 0);
    }
  }
}

// What a dead peer did not take is discarded, and the pause ends with it.
TEST_P(RelayMatrix, Metrics_BalanceAfterAResetOfAStalledReader) {
  RelayRig& rig = Make();
  Page page(rig);
  Link link = rig.Open(/*receive_buffer=*/8192);
  Block(rig, link.client);
  EXPECT_GT(page.Value("weir_reactor_buffered_bytes"), 0);
  link.upstream.Reset();
  link.client.Close();
  ASSERT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 0; }));
  page.ExpectBalance();
  EXPECT_GT(page.Value("weir_discarded_bytes_total", {{"side", "client"}}), 0);
  const double paused = page.Value("weir_backpressure_seconds_total");
  rig.clock().Advance(seconds(5));
  EXPECT_EQ(page.Value("weir_backpressure_seconds_total"), paused);
}

TEST_P(RelayCalls, Metrics_PauseOfTheSideThatIsNotRead) {
  for (const bool up : {true, false}) {
    for (const size_t memory : {size_t{16} << 20, size_t{0}}) {
      RelayRig& rig =
          Make({.wire = {AF_UNIX, AF_UNIX}, .buffer_memory = memory});
      Page page(rig);
      Link link = rig.Open();
      TestPeer& from = up ? link.client : link.upstream;
      TestPeer& to = up ? link.upstream : link.client;
      const MetricLabels side = {{"side", up ? "client" : "upstream"}};
      const MetricLabels other = {{"side", up ? "upstream" : "client"}};
      const std::string data = Pattern(4 << 20);
      size_t sent = 0;
      ASSERT_TRUE(rig.DriveUntil([&] {
        sent += from.Send(std::string_view(data).substr(sent, 100'000));
        return page.Value("weir_backpressure_pauses_total", side) > 0;
      }));
      // It is seen while it lasts.
      const double before = page.Value("weir_backpressure_seconds_total", side);
      rig.clock().Advance(seconds(3));
      EXPECT_NEAR(page.Value("weir_backpressure_seconds_total", side) - before,
                  3, 1e-6);
      rig.clock().Advance(seconds(2));
      EXPECT_NEAR(page.Value("weir_backpressure_seconds_total", side) - before,
                  5, 1e-6);
      EXPECT_EQ(page.Value("weir_backpressure_pauses_total", other), 0);
      EXPECT_EQ(page.Value("weir_backpressure_seconds_total", other), 0);
      ASSERT_TRUE(rig.ReadBytes(&to, sent));
      rig.Rounds(5);
      const double after = page.Value("weir_backpressure_seconds_total", side);
      rig.clock().Advance(seconds(10));
      EXPECT_EQ(page.Value("weir_backpressure_seconds_total", side), after);
    }
  }
}

TEST_P(RelayCalls, Metrics_PauseMovesWithItsSession) {
  RelayRig& rig = Make({.wire = {AF_UNIX, AF_UNIX}, .reactors = 2});
  Page page(rig);
  Link link = rig.Open();
  Block(rig, link.client);
  const size_t from = rig.worker(0).sessions() == 1 ? 0 : 1;
  const std::string reactor = from == 0 ? "0" : "1";
  const std::string target = from == 0 ? "1" : "0";
  const auto held = [&](const std::string& of) {
    return page.Value("weir_reactor_buffered_bytes", {{"reactor", of}});
  };
  const double bytes = held(reactor);
  EXPECT_GT(bytes, 0);
  ASSERT_TRUE(rig.Move(from, 1 - from));
  EXPECT_EQ(held(reactor), 0);
  EXPECT_EQ(held(target), bytes);
  EXPECT_EQ(page.Value("weir_reactor_connections", {{"reactor", target}}), 1);
  page.ExpectBalance();
  rig.Rounds(2);
  const double before = page.Value("weir_backpressure_seconds_total");
  rig.clock().Advance(seconds(1));
  EXPECT_NEAR(page.Value("weir_backpressure_seconds_total") - before, 1, 1e-6);
}

TEST_P(RelayCalls, Metrics_TimesOfAConnection) {
  RelayRig& rig = Make();
  Page page(rig);
  rig.kernel().Inject({.call = Call::kConnect, .error = EINPROGRESS});
  TestPeer client = rig.Dial();
  ASSERT_TRUE(
      rig.DriveUntil([&] { return rig.Active(Stage::kConnecting) == 1; }));
  rig.clock().Advance(milliseconds(20));
  const Address& address = rig.upstream_address();
  ::connect(rig.kernel().last_socket(), address.data(), address.size());
  TestPeer upstream = rig.Take();
  ASSERT_TRUE(
      rig.DriveUntil([&] { return rig.Active(Stage::kRelaying) == 1; }));
  EXPECT_EQ(page.Value("weir_upstream_connect_seconds"), 1);
  EXPECT_NEAR(page.Total("weir_upstream_connect_seconds"), 0.02, 0.01);

  // What the client sends is no answer.
  ASSERT_TRUE(rig.SendAll(&client, "question"));
  ASSERT_TRUE(rig.ReadBytes(&upstream, 8));
  EXPECT_EQ(page.Value("weir_first_byte_seconds"), 0);
  rig.clock().Advance(milliseconds(300));
  ASSERT_TRUE(rig.SendAll(&upstream, "a"));
  ASSERT_TRUE(rig.ReadBytes(&client, 1));
  EXPECT_EQ(page.Value("weir_first_byte_seconds"), 1);
  EXPECT_NEAR(page.Total("weir_first_byte_seconds"), 0.32, 0.05);
  ASSERT_TRUE(rig.SendAll(&upstream, "nswer"));
  ASSERT_TRUE(rig.ReadBytes(&client, 6));
  EXPECT_EQ(page.Value("weir_first_byte_seconds"), 1);

  rig.clock().Advance(seconds(7));
  client.Close();
  upstream.Close();
  ASSERT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 0; }));
  EXPECT_EQ(page.Value("weir_connection_duration_seconds"), 1);
  EXPECT_NEAR(page.Total("weir_connection_duration_seconds"), 7.32, 0.2);
}

TEST_P(RelayCalls, Metrics_HandOffTakesItsTime) {
  RelayRig& rig = Make({.reactors = 2, .shard = ShardPolicy::kRoundRobin});
  Page page(rig);
  TestPeer clients[2] = {rig.Dial(), rig.Dial()};
  // One loop accepts both, keeps one and hands the other over.
  for (int rounds = 0; rounds < 1000 && rig.Accepted() < 2; ++rounds) {
    rig.reactor(0).RunOnce(Duration::zero());
  }
  EXPECT_EQ(rig.worker(0).sessions() + rig.worker(1).sessions(), 1u);
  EXPECT_EQ(page.Value("weir_reactor_handoff_seconds"), 0);
  rig.clock().Advance(milliseconds(40));
  ASSERT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == 2; }));
  EXPECT_EQ(page.Value("weir_reactor_handoff_seconds"), 1);
  EXPECT_EQ(page.Value("weir_reactor_connections", {{"reactor", "0"}}), 1);
  EXPECT_EQ(page.Value("weir_reactor_connections", {{"reactor", "1"}}), 1);
  EXPECT_NEAR(page.Total("weir_reactor_handoff_seconds"), 0.04, 0.02);
}

TEST_P(RelayCalls, Metrics_UpstreamIsUpUntilAllAddressesFail) {
  RelayRig& rig = Make();
  Page page(rig);
  EXPECT_EQ(page.Value("weir_upstream_up"), 1);
  rig.kernel().Inject({.call = Call::kConnect, .error = ECONNREFUSED});
  TestPeer refused = rig.Dial();
  EXPECT_EQ(rig.ReadEnd(&refused), ECONNRESET);
  EXPECT_EQ(page.Value("weir_upstream_up"), 0);
  // The same address again is no news of it, nor are the same two in another
  // order.
  rig.Resolve({rig.upstream_address()});
  EXPECT_EQ(page.Value("weir_upstream_up"), 0);
  const Address other = rig.upstream_address().WithPort(1);
  rig.Resolve({rig.upstream_address(), other});
  EXPECT_EQ(page.Value("weir_upstream_up"), 1);
  rig.kernel().Inject(
      {.call = Call::kConnect, .error = ECONNREFUSED, .count = 2});
  TestPeer refused_twice = rig.Dial();
  EXPECT_EQ(rig.ReadEnd(&refused_twice), ECONNRESET);
  EXPECT_EQ(page.Value("weir_upstream_up"), 0);
  rig.Resolve({other, rig.upstream_address()});
  EXPECT_EQ(page.Value("weir_upstream_up"), 0);
  rig.Resolve({rig.upstream_address()});
  EXPECT_EQ(page.Value("weir_upstream_up"), 1);
  {
    Link link = rig.Open();
    EXPECT_EQ(page.Value("weir_upstream_up"), 1);
  }
  // A shortage of our own is not the upstream's fault.
  rig.kernel().Inject({.call = Call::kSocket, .error = EMFILE});
  TestPeer short_of = rig.Dial();
  EXPECT_EQ(rig.ReadEnd(&short_of), ECONNRESET);
  EXPECT_EQ(page.Value("weir_upstream_up"), 1);
  // Its name is gone, and comes back.
  rig.Resolve({});
  EXPECT_EQ(page.Value("weir_upstream_up"), 0);
  rig.Resolve({rig.upstream_address()});
  EXPECT_EQ(page.Value("weir_upstream_up"), 1);
}

INSTANTIATE_RELAY_MATRIX();
INSTANTIATE_RELAY_CALLS();

}  // namespace
}  // namespace weir
