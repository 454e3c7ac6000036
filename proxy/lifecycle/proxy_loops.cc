// The loops of a proxy, what works on them, and what they listen on.

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "proxy/lifecycle/proxy.h"
#include "reactor/cpu_count.h"
#include "reactor/memory_limit.h"

namespace weir {
namespace {

// Its file, the one before it and the one after it, and what tells of their
// requests.
constexpr int64_t kAccessLogFds = 4;

// A connection's kind follows from what its listener is.
FdKind KindOf(const ListeningSocket& socket) {
  return socket.address.is_unix() ? FdKind::kUnix : FdKind::kTcp;
}

}  // namespace

absl::Status Proxy::MakeLoops() {
  std::vector<std::unique_ptr<Reactor>> reactors;
  for (size_t i = 0; i <= reactor_count_; ++i) {
    const bool control = i == reactor_count_;
    std::string warning;
    absl::StatusOr<std::unique_ptr<Poller>> poller =
        MakePollerOrEpoll(settings_.poller, &warning);
    if (!poller.ok()) return poller.status();
    if (control && !warning.empty()) warnings_.push_back(warning);
    monitors_.push_back(std::make_unique<LoopMonitor>(LoopMonitor::Options{
        .stall_threshold = settings_.stall_threshold, .pauses = &pauses_}));
    sinks_.push_back(log_writer_->NewSink());
    Reactor::Options options;
    options.name = control ? "weir" : absl::StrCat("weir-r", i);
    options.poller = *std::move(poller);
    if (settings_.loop_metrics) options.monitor = monitors_.back().get();
    auto reactor = std::make_unique<Reactor>(std::move(options));
    if (control) {
      control_ = std::move(reactor);
    } else {
      reactors.push_back(std::move(reactor));
    }
  }
  log_ = sinks_.back();
  poller_ = std::string(control_->poller().name());
  ReactorPool::Options options;
  if (settings_.pin_reactors) options.cpus = AllowedCpus();
  pool_ = std::make_unique<ReactorPool>(std::move(reactors), options);
  return absl::OkStatus();
}

int64_t Proxy::Pipes() const {
  if (std::all_of(forwards_.begin(), forwards_.end(),
                  [](const ForwardSpec& forward) {
                    return forward.splice == SpliceMode::kOff;
                  })) {
    return 0;
  }
  if (settings_.splice_pipes >= 0) return settings_.splice_pipes;
  return DefaultPipes(
      std::min<int64_t>(fd_limit_, control_->poller().fd_limit()));
}

absl::Status Proxy::MakeWorkers() {
  // A poller has a descriptor to wait on, one to be woken by and an alarm.
  int64_t taken = 3 * static_cast<int64_t>(monitors_.size());
  taken += static_cast<int64_t>(CountSockets(bound_));
  if (settings_.probes.has_value()) taken += kAdminFds;
  if (access_log_ != nullptr) taken += kAccessLogFds;
  const auto loops = static_cast<int64_t>(pool_->size());
  const int64_t pipes_each = (Pipes() + loops - 1) / loops;
  FdLimits limits{.open_files = fd_limit_,
                  .poller_limit = control_->poller().fd_limit(),
                  .taken = taken,
                  .pipes = 2 * pipes_each * loops,
                  .configured = settings_.max_connections};
  admission_ = std::make_unique<Admission>(MaxConnections(limits));
  if (admission_->max() == 0) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "no descriptor is left for a connection: ", limits.open_files,
        " may be open (ulimit -n, LimitNOFILE=), and ", limits.pipes,
        " are kept for pipes (--splice_pipes)"));
  }
  // One loop more than reactors may assign and count what it accepts.
  loads_ = std::make_unique<LoadMatrix>(pool_->size(), pool_->size() + 1);
  forward_metrics_ =
      std::make_unique<ForwardMetrics>(forwards_, pool_->size() + 1);
  gate_ = std::make_unique<Gate>(GateOptions(pool_->size()));
  const int64_t memory =
      settings_.buffer_memory > 0 ? settings_.buffer_memory : MemoryLimit() / 4;
  for (size_t i = 0; i < pool_->size(); ++i) {
    Worker::Options options;
    options.gate = GateOptions(i);
    if (settings_.accept == AcceptMode::kDedicated) {
      options.dedicated = gate_.get();
    }
    options.buffer_memory = static_cast<size_t>(memory) / pool_->size();
    options.max_pipes = static_cast<size_t>(pipes_each);
    options.pipe_memory = PipeMemory() / pool_->size();
    if (access_log_ != nullptr) options.access = access_log_->sink(i);
    options.local_ports = PortRange::Ephemeral();
    options.resolve_again = [this](size_t forward) {
      control_->Post([this, forward] { upstreams_->ResolveAgain(forward); });
    };
    workers_.push_back(std::make_unique<Worker>(std::move(options)));
  }
  return absl::OkStatus();
}

Gate::Options Proxy::GateOptions(size_t row) {
  Gate::Options options;
  options.row = row;
  options.reactor = row < pool_->size() ? &pool_->reactor(row) : control_.get();
  options.forwards = &forwards_;
  options.metrics = forward_metrics_.get();
  options.admission = admission_.get();
  options.loads = loads_.get();
  options.shard = settings_.shard;
  options.read_loop = [this](size_t i) {
    return monitors_[i]->Read(Clock::Real());
  };
  options.log = sinks_[row];
  options.workers = &workers_;
  return options;
}

std::vector<Listener> Proxy::ListenersOf(size_t i) const {
  std::vector<Listener> listeners;
  if ((i == workers_.size()) != (settings_.accept == AcceptMode::kDedicated)) {
    return listeners;
  }
  for (size_t f = 0; f < bound_.size(); ++f) {
    const BoundForward& bound = bound_[f];
    for (size_t s = 0; s < bound.sockets.size(); ++s) {
      // The first reactor has the first sockets, and unix sockets are shared.
      const bool own =
          i > 0 && !bound.copies.empty() && bool{bound.copies[i - 1][s]};
      listeners.push_back(
          {f, own ? bound.copies[i - 1][s].get() : bound.sockets[s].fd.get(),
           KindOf(bound.sockets[s])});
    }
  }
  return listeners;
}

void Proxy::StopAccepting(Task done) {
  // Counted on the control loop; every gate lets go of every listener before
  // one is closed.
  auto left = std::make_shared<size_t>(workers_.size() + 1);
  auto shared = std::make_shared<Task>(std::move(done));
  const auto stopped = [this, left, shared] {
    if (--*left > 0) return;
    CloseListeners();
    std::move (*shared)();
  };
  gate_->Stop(stopped);
  PostToWorkers([this, stopped](Worker& worker) {
    worker.gate().Stop([this, stopped] { control_->Post(stopped); });
  });
}

void Proxy::CloseListeners() {
  // A gate that stopped early left what came since to the others, or, where the
  // socket is its own, to nobody, and the end of a socket resets its queue. So
  // each is emptied just before that; what comes meanwhile goes to those that
  // are still open.
  for (size_t f = 0; f < bound_.size(); ++f) {
    BoundForward& bound = bound_[f];
    for (std::vector<UniqueFd>& copies : bound.copies) {
      for (UniqueFd& fd : copies) {
        if (!fd) continue;
        gate_->TakeQueue({f, fd.get(), FdKind::kTcp});
        fd.Reset();
      }
    }
    for (ListeningSocket& socket : bound.sockets) {
      socket.file = {};  // nobody finds it any more
      gate_->TakeQueue({f, socket.fd.get(), KindOf(socket)});
      socket.fd.Reset();
    }
  }
  bound_.clear();
}

}  // namespace weir
