#include "proxy/lifecycle/demo.h"

#include <sys/socket.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "proxy/config/forward_spec.h"
#include "proxy/lifecycle/demo_peers.h"
#include "proxy/lifecycle/proxy.h"
#include "proxy/observe/forward_metrics.h"
#include "proxy/relay/session_log.h"
#include "reactor/listen.h"
#include "reactor/poller.h"

namespace weir {
namespace {

constexpr size_t kClients = 8;
constexpr size_t kMessageSize = 1024;

// What the line of a second is the difference of.
struct Totals {
  uint64_t accepted = 0;
  uint64_t up = 0;
  uint64_t down = 0;
  LagHistogram::Snapshot lag;
};

Totals Read(Proxy& proxy) {
  Totals totals;
  // What the control loop accepted for them.
  totals.accepted +=
      proxy.metrics().Shard(0, proxy.reactors()).accepted.Value();
  for (size_t i = 0; i < proxy.reactors(); ++i) {
    const ForwardShard& shard = proxy.metrics().Shard(0, i);
    totals.accepted += shard.accepted.Value();
    totals.up += shard.sent[Index(Side::kUpstream)].Value();
    totals.down += shard.sent[Index(Side::kClient)].Value();
    const LagHistogram::Snapshot lag = proxy.monitor(i).Read(Clock::Real());
    for (size_t b = 0; b < LagHistogram::kBuckets; ++b) {
      totals.lag.bucket_ns[b] += lag.bucket_ns[b];
    }
  }
  return totals;
}

// "under 100us": the bound of the bucket that holds this share of the time.
std::string LagQuantile(const Totals& before, const Totals& now, double share) {
  std::array<uint64_t, LagHistogram::kBuckets> time;
  uint64_t total = 0;
  for (size_t b = 0; b < time.size(); ++b) {
    total += time[b] = now.lag.bucket_ns[b] - before.lag.bucket_ns[b];
  }
  uint64_t below = 0;
  for (size_t b = 0; b < LagHistogram::kBounds.size(); ++b) {
    below += time[b];
    if (static_cast<double>(below) >= share * static_cast<double>(total)) {
      return "<" + ShortDuration(Duration(LagHistogram::kBounds[b]));
    }
  }
  return ">" + ShortDuration(Duration(LagHistogram::kBounds.back()));
}

std::string Line(Proxy& proxy, const Totals& before, const Totals& now) {
  return absl::StrFormat(
      "connections %d  new %d/s  up %s/s  down %s/s  lag p50 %s  p99 %s  "
      "worst %s",
      proxy.connections(), now.accepted - before.accepted,
      ShortSize(now.up - before.up), ShortSize(now.down - before.down),
      LagQuantile(before, now, 0.5), LagQuantile(before, now, 0.99),
      LagQuantile(before, now, 1.0));
}

absl::StatusOr<std::unique_ptr<Reactor>> MakePeerLoop() {
  absl::StatusOr<std::unique_ptr<Poller>> poller =
      MakePoller(PollerKind::kEpoll);
  if (!poller.ok()) return poller.status();
  Reactor::Options options;
  options.name = "weir-demo";
  options.poller = *std::move(poller);
  return std::make_unique<Reactor>(std::move(options));
}

}  // namespace

absl::StatusOr<int> RunDemo(Settings settings) {
  absl::StatusOr<std::unique_ptr<Reactor>> made = MakePeerLoop();
  if (!made.ok()) return made.status();
  absl::StatusOr<ListeningSocket> upstream =
      Listen(Kernel::Real(), Address::Loopback(AF_INET, 0));
  if (!upstream.ok()) return upstream.status();

  const absl::StatusOr<ForwardSpec> forward = ParseForward(
      absl::StrCat("demo@127.0.0.1:0=", upstream->address.ToString()));
  if (!forward.ok()) return forward.status();
  absl::StatusOr<std::unique_ptr<Proxy>> created =
      Proxy::Create(std::move(settings), {*forward});
  if (!created.ok()) return created.status();
  Proxy& proxy = **created;

  Reactor* const peers = made->get();
  EchoServer server(peers, std::move(upstream->fd));
  std::vector<std::unique_ptr<EchoClient>> clients;
  for (size_t i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<EchoClient>(
        peers, proxy.bound(0).sockets[0].address, kMessageSize));
  }
  std::thread thread([peers] { peers->Run(); });

  Totals before = Read(proxy);
  proxy.EverySecond(
      [&proxy, &before] {
        const Totals now = Read(proxy);
        proxy.log().Line(LogLevel::kInfo, Line(proxy, before, now));
        before = now;
      },
      [peers, &clients] { peers->Post([&clients] { clients.clear(); }); });
  absl::StatusOr<int> code = proxy.Run();
  peers->Stop();
  thread.join();
  return code;
}

}  // namespace weir
