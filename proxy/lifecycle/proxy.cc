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
      proxy->settings_.accept == AcceptMode::kReuseport ? proxy->reactor_count_
                                                        : 1);
  if (!bound.ok()) return bound.status();
  proxy->bound_ = *std::move(bound);
  for (const BoundForward& forward : proxy->bound_) {
    proxy->warnings_.insert(proxy->warnings_.end(), forward.warnings.begin(),
                            forward.warnings.end());
  }
  for (const ForwardSpec& forward : proxy->forwards_) {
    if (forward.splice == SpliceMode::kOn &&
        proxy->settings_.splice_pipes == 0) {
      proxy->warnings_.push_back(absl::StrCat(
          forward.name, ": +splice:on splices nothing with --splice_pipes=0"));
    }
  }
  if (absl::Status made = proxy->MakeLoops(); !made.ok()) return made;
  if (absl::Status made = proxy->MakeAccessLog(); !made.ok()) return made;
  if (absl::Status made = proxy->MakeWorkers(); !made.ok()) return made;
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
      reactor_count_(static_cast<size_t>(
          settings_.reactors > 0 ? settings_.reactors : CpuCount())),
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

void Proxy::OnSignal(int signal) {
  if (signal == SIGUSR1) return ReopenAccessLog();
  // Reload is not there yet: nothing to do for its signal, which must not end
  // the process either.
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
    if (exit_now_.has_value()) return;  // only the access log is flushed now
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
  pool_->Stop();
  if (!pool_->JoinWithin(kLastRound)) {
    ExitWithStuckLoop(exit_now_.value_or(0));
  }
  // Their loops are over. What they cut has its line, too.
  for (const auto& worker : workers_) worker->CutAll();
  FlushAccessLog();
  return exit_now_.value_or(0);
}

void Proxy::ExitWithStuckLoop(int code) {
  log_->Line(LogLevel::kError, "a loop hangs: exiting without it");
  FlushAccessLog();
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
