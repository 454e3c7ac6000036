#include "proxy/lifecycle/check.h"

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proxy/lifecycle/access_log_error.h"
#include "proxy/lifecycle/listeners.h"
#include "proxy/observe/forward_metrics.h"
#include "proxy/relay/connector.h"
#include "proxy/relay/transport.h"
#include "proxy/upstream/address_list.h"
#include "proxy/upstream/resolver.h"
#include "proxy/upstream/upstream_directory.h"
#include "reactor/async_file/aio_queue.h"
#include "reactor/async_file/async_file.h"
#include "reactor/errno_status.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"
#include "reactor/run_until.h"

namespace weir {
namespace {

// Connects to the target of one forward on a loop of its own, with the very
// classes that a session uses.
class Dialer final : private TransportObserver {
 public:
  explicit Dialer(Reactor* reactor) : reactor_(reactor) {}

  absl::Status Dial(const ForwardSpec& forward, const std::string& resolvers) {
    deadline_ = reactor_->Now() + forward.connect_timeout;
    absl::StatusOr<std::unique_ptr<Resolver>> resolver = Resolver::Create(
        reactor_, {.servers = resolvers, .timeout = forward.connect_timeout});
    if (!resolver.ok()) return resolver.status();
    AddressListPtr list;
    UpstreamDirectory directory(
        reactor_, *std::move(resolver), {forward.target},
        [&list](size_t, AddressListPtr found) { list = std::move(found); });
    directory.Start();
    if (!RunUntil(reactor_, deadline_ - reactor_->Now(),
                  [&list] { return list != nullptr; })) {
      return absl::DeadlineExceededError("the name servers did not answer");
    }
    if (list->addresses.empty()) return absl::NotFoundError(list->error);
    return Connect(forward, list);
  }

 private:
  using Outcome = Connector::Outcome;

  void OnTransportReady(Transport*) noexcept override { ready_ = true; }

  absl::Status Connect(const ForwardSpec& forward, const AddressListPtr& list) {
    ForwardMetrics metrics({forward}, 1);
    const Connector::Site site{.reactor = reactor_,
                               .forward = &forward,
                               .metrics = &metrics.Shard(0, 0),
                               .deadline = deadline_,
                               .local_ports = PortRange::Ephemeral(),
                               .verify = true};
    Connector connector;
    Transport transport(this);
    Outcome outcome = connector.Start(site, list, &transport);
    while (outcome == Outcome::kPending) {
      ready_ = false;
      reactor_->RunOnce(
          std::max(connector.due() - reactor_->Now(), Duration::zero()));
      if (ready_) {
        outcome = connector.Ready(site, &transport);
      } else if (reactor_->Now() >= connector.due()) {
        outcome = connector.Due(site, &transport);
      }
    }
    transport.Close(reactor_, /*reset=*/false);
    if (outcome == Outcome::kConnected) return absl::OkStatus();
    return absl::UnavailableError(ErrnoText(connector.error()));
  }

  Reactor* const reactor_;
  MonoTime deadline_;
  bool ready_ = false;
};

absl::Status TryAccessLog(const AccessLogSettings& settings, Reactor* reactor) {
  if (settings.file.empty()) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<AioQueue>> files =
      AioQueue::Create({.reactor = reactor, .completion = settings.file_io});
  if (!files.ok()) return files.status();
  std::optional<absl::Status> tried;
  AsyncFile::TryAppending(
      files->get(), settings.file,
      [&tried](const absl::Status& status) { tried = status; });
  if (!RunUntil(reactor, kAccessLogOpenWithin,
                [&tried] { return tried.has_value(); })) {
    return AccessLogHangs(settings.file);
  }
  return tried->ok() ? absl::OkStatus() : AccessLogError(*tried);
}

}  // namespace

absl::Status Check(const CheckCommand& command) {
  const absl::StatusOr<std::vector<BoundForward>> bound =
      BindForwards(Kernel::Real(), command.forwards);
  if (!bound.ok()) return bound.status();
  for (const BoundForward& forward : *bound) {
    if (command.settings.quiet) break;
    for (const std::string& warning : forward.warnings) {
      std::cerr << "weir: " << warning << '\n';
    }
  }
  absl::StatusOr<ListeningSocket> probes;
  if (command.settings.probes.has_value()) {
    probes = BindProbes(Kernel::Real(), *command.settings.probes);
    if (!probes.ok()) return probes.status();
  }
  if (command.settings.admin.has_value()) {
    const absl::StatusOr<ListeningSocket> admin =
        BindAdmin(Kernel::Real(), *command.settings.admin,
                  command.settings.admin_is_default);
    if (!admin.ok()) return admin.status();
  }
  absl::StatusOr<std::unique_ptr<Poller>> poller =
      MakePoller(PollerKind::kEpoll);
  if (!poller.ok()) return poller.status();
  Reactor::Options options;
  options.poller = *std::move(poller);
  Reactor reactor(std::move(options));
  absl::Status logs = TryAccessLog(command.settings.access_log, &reactor);
  if (!logs.ok()) return logs;
  for (const ForwardSpec& forward : command.forwards) {
    if (command.dial) {
      const absl::Status dialed =
          Dialer(&reactor).Dial(forward, command.settings.resolvers);
      if (!dialed.ok()) {
        return absl::Status(
            dialed.code(),
            absl::StrCat(forward.name, ": cannot connect to ",
                         forward.target.text, ": ", dialed.message()));
      }
    }
    if (!command.settings.quiet) {
      std::cerr << forward.name << ": ok, " << forward.text << '\n';
    }
  }
  return absl::OkStatus();
}

}  // namespace weir
