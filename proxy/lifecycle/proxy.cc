#include "proxy/lifecycle/proxy.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proxy/config/version.h"
#include "proxy/lifecycle/stall_line.h"
#include "proxy/relay/session_log.h"
#include "reactor/clock.h"
#include "reactor/cpu_count.h"
#include "reactor/fd_limit.h"
#include "reactor/memory_limit.h"
#include "reactor/timer_wheel.h"

namespace weir {
namespace {

constexpr char kControl[] = "control";

// What the loops get to end the round that they are in. Longer, and a callback
// hangs.
constexpr Duration kLastRound = std::chrono::seconds(1);

LogLevel LevelOf(const Settings& settings) {
  if (settings.quiet) return LogLevel::kError;
  return settings.verbose ? LogLevel::kVerbose : LogLevel::kInfo;
}

// A connection's kind follows from what its listener is.
FdKind KindOf(const ListeningSocket& socket) {
  return socket.address.is_unix() ? FdKind::kUnix : FdKind::kTcp;
}

}  // namespace

class Proxy::Ticker final : private Timer {
 public:
  Ticker(Proxy* proxy, std::function<void()> tick, std::function<void()> last)
      : proxy_(proxy), tick_(std::move(tick)), last_(std::move(last)) {
    Next();
  }

  void Last() {
    proxy_->control_->Cancel(this);
    last_();
  }

 private:
  void OnTimer() noexcept override {
    tick_();
    Next();
  }
  void Next() {
    proxy_->control_->Schedule(
        this, proxy_->control_->Now() + std::chrono::seconds(1));
  }

  Proxy* const proxy_;
  const std::function<void()> tick_;
  const std::function<void()> last_;
};

absl::StatusOr<std::unique_ptr<Proxy>> Proxy::Create(
    Settings settings, std::vector<ForwardSpec> forwards,
    std::vector<std::string> warnings) {
  std::unique_ptr<Proxy> proxy(
      new Proxy(std::move(settings), std::move(forwards)));
  proxy->warnings_ = std::move(warnings);
  proxy->fd_limit_ = RaiseFdLimit();
  absl::StatusOr<std::vector<BoundForward>> bound = BindForwards(
      Kernel::Real(), proxy->forwards_,
      proxy->settings_.accept == AcceptMode::kReuseport ? proxy->ReactorCount()
                                                        : 1);
  if (!bound.ok()) return bound.status();
  proxy->bound_ = *std::move(bound);
  for (const BoundForward& forward : proxy->bound_) {
    proxy->warnings_.insert(proxy->warnings_.end(), forward.warnings.begin(),
                            forward.warnings.end());
  }
  if (absl::Status made = proxy->MakeLoops(); !made.ok()) return made;
  proxy->MakeWorkers();
  proxy->MakeWatchdog();
  if (absl::Status made = proxy->MakeUpstreams(); !made.ok()) return made;
  // First: an admin port that nobody asked for gives way.
  if (absl::Status made = proxy->MakeProbes(); !made.ok()) return made;
  if (absl::Status made = proxy->MakeAdmin(); !made.ok()) return made;
  proxy->RegisterMetrics();
  return proxy;
}

Proxy::Proxy(Settings settings, std::vector<ForwardSpec> forwards)
    : settings_(std::move(settings)),
      forwards_(std::move(forwards)),
      created_at_(Clock::Real().Now()) {
  LogWriter::Options options;
  options.level = LevelOf(settings_);
  log_writer_ = std::make_unique<LogWriter>(options);
}

Proxy::~Proxy() {
  StopObserving();
  if (pool_ != nullptr) {
    pool_->Stop();
    pool_->Join();
  }
}

size_t Proxy::ReactorCount() const {
  return static_cast<size_t>(settings_.reactors > 0 ? settings_.reactors
                                                    : CpuCount());
}

absl::Status Proxy::MakeLoops() {
  const size_t count = ReactorCount();
  std::vector<std::unique_ptr<Reactor>> reactors;
  for (size_t i = 0; i <= count; ++i) {
    const bool control = i == count;
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

void Proxy::MakeWorkers() {
  // A poller has a descriptor to wait on and one to be woken by.
  int64_t taken = 2 * static_cast<int64_t>(monitors_.size());
  taken += static_cast<int64_t>(CountSockets(bound_));
  if (settings_.probes.has_value()) taken += kAdminFds;
  const auto loops = static_cast<int64_t>(pool_->size());
  const int64_t pipes_each = (Pipes() + loops - 1) / loops;
  FdLimits limits{.open_files = fd_limit_,
                  .poller_limit = control_->poller().fd_limit(),
                  .taken = taken,
                  .pipes = 2 * pipes_each * loops,
                  .configured = settings_.max_connections};
  admission_ = std::make_unique<Admission>(MaxConnections(limits));
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
    options.local_ports = PortRange::Ephemeral();
    options.resolve_again = [this](size_t forward) {
      control_->Post([this, forward] { upstreams_->ResolveAgain(forward); });
    };
    workers_.push_back(std::make_unique<Worker>(std::move(options)));
  }
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

absl::Status Proxy::MakeUpstreams() {
  Resolver::Options options;
  options.servers = settings_.resolvers;
  absl::StatusOr<std::unique_ptr<Resolver>> resolver =
      Resolver::Create(control_.get(), options);
  if (!resolver.ok()) return resolver.status();
  std::vector<TargetSpec> targets;
  for (const ForwardSpec& forward : forwards_) {
    targets.push_back(forward.target);
  }
  upstreams_ = std::make_unique<UpstreamDirectory>(
      control_.get(), *std::move(resolver), targets,
      [this](size_t forward, const AddressListPtr& list) {
        PostToWorkers([forward, list](Worker& worker) {
          worker.SetAddresses(forward, list);
        });
      });
  return absl::OkStatus();
}

void Proxy::MakeWatchdog() {
  if (!settings_.loop_metrics) return;
  Watchdog::Options options;
  for (size_t i = 0; i < monitors_.size(); ++i) {
    options.loops.push_back({LoopName(i), monitors_[i].get()});
  }
  options.pauses = &pauses_;
  sinks_.push_back(log_writer_->NewSink());
  options.report = [this, log = sinks_.back()](const Watchdog::Report& report) {
    log->Line(LogLevel::kWarning, StallLine(report, forwards_));
  };
  watchdog_ = std::make_unique<Watchdog>(std::move(options));
}

std::string Proxy::LoopName(size_t i) const {
  return i < pool_->size() ? absl::StrCat(i) : kControl;
}

void Proxy::PostToWorkers(std::function<void(Worker&)> task) {
  for (const auto& worker : workers_) {
    worker->reactor().Post([task, w = worker.get()] { task(*w); });
  }
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

void Proxy::OnSignal(int signal) {
  // Reload and log rotation are not there yet: nothing to do for their signals,
  // which must not end the process either.
  if (signal != SIGTERM && signal != SIGINT) return;
  // A drain that a POST began (a preStop hook) is no first signal.
  if (!std::exchange(signalled_, true)) return drain_->Begin();
  exit_now_ = 128 + signal;
  control_->Stop();
}

absl::StatusOr<int> Proxy::Run() {
  // What may fail comes before the first client is taken.
  if (absl::Status written = WritePorts(); !written.ok()) return written;
  absl::StatusOr<std::unique_ptr<SignalWatcher>> signals =
      SignalWatcher::Create(*control_,
                            [this](int signal) { OnSignal(signal); });
  if (!signals.ok()) return signals.status();
  signals_ = *std::move(signals);
  Drain::Steps steps;
  steps.stop_accepting = [this](Task done) {
    if (ticker_ != nullptr) ticker_->Last();
    log_->Line(
        LogLevel::kInfo,
        absl::StrCat("draining: ", admission_->active(), " connections, up to ",
                     ShortDuration(settings_.drain.timeout)));
    StopAccepting(std::move(done));
  };
  steps.end_idle = [this] {
    PostToWorkers([this](Worker& worker) {
      worker.EndIdle(settings_.drain.idle, settings_.drain.spread);
    });
  };
  steps.end_all = [this] {
    PostToWorkers([](Worker& worker) { worker.EndAll(); });
  };
  steps.open_connections = [this] { return admission_->active(); };
  steps.finished = [this] {
    log_->Line(LogLevel::kInfo,
               absl::StrCat("drained in ", ShortDuration(drain_->elapsed())));
    control_->Stop();
  };
  drain_ = std::make_unique<Drain>(control_.get(), &health_, settings_.drain,
                                   std::move(steps));

  upstreams_->Start();
  for (size_t i = 0; i < workers_.size(); ++i) {
    workers_[i]->gate().Start(ListenersOf(i));
  }
  gate_->Start(ListenersOf(workers_.size()));
  if (absl::Status started = pool_->Start(); !started.ok()) return started;
  for (const std::string& warning : pool_->warnings()) {
    warnings_.push_back(warning);
  }
  if (admin_ != nullptr) {
    if (absl::Status started = admin_->Start(); !started.ok()) return started;
  }
  if (probes_ != nullptr) {
    if (absl::Status started = probes_->Start(); !started.ok()) return started;
  }
  if (watchdog_ != nullptr) {
    if (absl::Status started = watchdog_->Start(); !started.ok()) {
      return started;
    }
  }
  health_.Set(Health::Phase::kReady);
  if (absl::Status announced = Announce(); !announced.ok()) return announced;

  control_->Run();

  ticker_.reset();
  if (exit_now_.has_value()) {
    log_->Line(LogLevel::kWarning,
               absl::StrCat("stopped now, ", admission_->active(),
                            " connections cut"));
  }
  const int code = exit_now_.value_or(0);
  pool_->Stop();
  if (!pool_->JoinWithin(kLastRound)) ExitWithStuckLoop(code);
  return code;
}

void Proxy::ExitWithStuckLoop(int code) {
  log_->Line(LogLevel::kError, "a loop hangs: exiting without it");
  for (BoundForward& forward : bound_) {
    for (ListeningSocket& socket : forward.sockets) socket.file = {};
  }
  // Nothing that the loop may still use is taken down but the log, which gets
  // its time to write. Other threads read it.
  StopObserving();
  log_writer_.reset();
  _exit(code);
}

void Proxy::StopObserving() {
  // Their threads read what the loops own, and the loops use each other. The
  // path goes first: who finds it, is answered.
  admin_socket_.file = {};
  if (admin_ != nullptr) admin_->Stop();
  if (probes_ != nullptr) probes_->Stop();
  if (watchdog_ != nullptr) watchdog_->Stop();
}

void Proxy::EverySecond(std::function<void()> tick,
                        std::function<void()> last) {
  ticker_ = std::make_unique<Ticker>(this, std::move(tick), std::move(last));
}

}  // namespace weir
