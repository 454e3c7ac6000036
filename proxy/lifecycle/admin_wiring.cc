#include "proxy/lifecycle/admin_wiring.h"

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "proxy/config/flags.h"
#include "proxy/config/forward_keys.h"
#include "proxy/config/version.h"
#include "proxy/observe/forward_metrics.h"
#include "proxy/observe/worker_metrics.h"
#include "proxy/relay/injected_stall.h"
#include "proxy/relay/session_info.h"
#include "reactor/clock.h"

namespace weir {
namespace {

ConnectionRow RowOf(const SessionInfo& info, MonoTime now) {
  ConnectionRow row;
  row.id = info.id;
  row.forward = info.forward;
  row.state = kStageNames[static_cast<size_t>(info.stage)];
  row.client = info.client.ToString();
  if (info.upstream.is_ip() || info.upstream.is_unix()) {
    row.upstream = info.upstream.ToString();
  }
  row.age = now - info.opened_at;
  row.idle = now - info.progress_at;
  row.bytes_up = info.bytes_up;
  row.bytes_down = info.bytes_down;
  row.buffered_up = info.buffered_up;
  row.buffered_down = info.buffered_down;
  row.path = kRelayPathNames[static_cast<size_t>(info.path)];
  return row;
}

// Ages are those of the moment at which the loop told them.
ConnectionRows RowsOf(SessionList list, MonoTime now) {
  ConnectionRows rows;
  rows.total = list.total;
  rows.listed = list.sessions.size();
  const auto all = std::make_shared<const std::vector<SessionInfo>>(
      std::move(list.sessions));
  rows.id = [all](size_t i) { return (*all)[i].id; };
  rows.row = [all, now](size_t i) { return RowOf((*all)[i], now); };
  return rows;
}

}  // namespace

ProcessFacts FactsOf(const Settings& settings,
                     const std::vector<ForwardSpec>& forwards,
                     const std::vector<BoundForward>& bound) {
  ProcessFacts facts;
  facts.version = std::string(kVersion);
  facts.pid = getpid();
  facts.drain_timeout = settings.drain.timeout;
  facts.stall_threshold = settings.stall_threshold;
  facts.flags = FlagValues();
  for (size_t i = 0; i < forwards.size(); ++i) {
    ForwardFacts& forward = facts.forwards.emplace_back();
    forward.name = forwards[i].name;
    forward.spec = forwards[i].text;
    for (const ListeningSocket& socket : bound[i].sockets) {
      forward.listen.push_back(socket.address.ToString());
    }
    forward.target = forwards[i].target.text;
    forward.keys = ForwardKeyValues(forwards[i]);
  }
  return facts;
}

LoopSource LoopSourceOf(const std::string& name, const LoopMonitor* monitor) {
  return {.name = name,
          .age = [monitor] { return monitor->Age(Clock::Real()); },
          .activity = [monitor] { return monitor->Activity(Clock::Real()); },
          .stalls = [monitor] { return monitor->Stalls(); }};
}

WorkerSource WorkerSourceOf(const std::string& name, Worker* worker) {
  WorkerSource source;
  source.name = name;
  source.list = [worker](std::optional<size_t> forward, size_t limit,
                         std::function<void(ConnectionRows)> done) {
    worker->reactor().Post(
        [worker, forward, limit, answer = std::move(done)]() mutable {
          worker->List(forward, limit,
                       [worker, told = std::move(answer)](SessionList list) {
                         told(RowsOf(std::move(list), worker->reactor().Now()));
                       });
        });
  };
  source.kill = [worker](uint64_t id, std::function<void(bool)> done) {
    worker->reactor().Post([worker, id, answer = std::move(done)]() mutable {
      worker->Kill(id, std::move(answer));
    });
  };
  return source;
}

std::function<void(StallOrder)> StallInjector(
    const std::vector<std::unique_ptr<Worker>>* workers, Reactor* control) {
  return [workers, control](StallOrder order) {
    const InjectedStall how = order.how == StallOrder::How::kCpu
                                  ? InjectedStall::kCpu
                                  : InjectedStall::kBlocked;
    if (order.loop < workers->size()) {
      Worker* const worker = (*workers)[order.loop].get();
      worker->reactor().Post(
          [worker, how, wanted = std::move(order)]() mutable {
            worker->InjectStall(how, wanted.duration, wanted.connection,
                                std::move(wanted.begins));
          });
      return;
    }
    control->Post([how, wanted = std::move(order)] {
      // The control loop has no connections.
      wanted.begins(wanted.connection == 0);
      if (wanted.connection == 0) InjectStall(how, wanted.duration);
    });
  };
}

}  // namespace weir
