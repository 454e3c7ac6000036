// Public. The whole proxy: composed, run, drained.

#ifndef PROXY_LIFECYCLE_PROXY_H_
#define PROXY_LIFECYCLE_PROXY_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "metrics/http_server.h"
#include "metrics/registry.h"
#include "proxy/config/forward_spec.h"
#include "proxy/config/settings.h"
#include "proxy/lifecycle/drain.h"
#include "proxy/lifecycle/instance_file.h"
#include "proxy/lifecycle/listeners.h"
#include "proxy/observe/access_log/access_log.h"
#include "proxy/observe/admin.h"
#include "proxy/observe/admin_sources.h"
#include "proxy/observe/forward_metrics.h"
#include "proxy/observe/health.h"
#include "proxy/observe/log_writer.h"
#include "proxy/relay/admission.h"
#include "proxy/relay/gate.h"
#include "proxy/relay/shard_policy.h"
#include "proxy/relay/worker.h"
#include "proxy/upstream/upstream_directory.h"
#include "reactor/address.h"
#include "reactor/async_file/aio_queue.h"
#include "reactor/listen.h"
#include "reactor/loop_monitor.h"
#include "reactor/pause_log.h"
#include "reactor/reactor.h"
#include "reactor/reactor_pool.h"
#include "reactor/signals.h"
#include "reactor/watchdog.h"

namespace weir {

// Built and run by one thread, main, which becomes the control loop: a reactor
// like the others, without traffic. After BlockSignals().
class Proxy {
 public:
  // Binds everything and composes the rest; no thread but the log writer's runs
  // yet, and on an error nothing is left behind. The message names the forward,
  // flag or address. `warnings` are printed above the start-up lines.
  static absl::StatusOr<std::unique_ptr<Proxy>> Create(
      Settings settings, std::vector<ForwardSpec> forwards,
      std::vector<std::string> warnings = {});
  ~Proxy();

  // Serves until a drain is over or a second signal comes. Returns the exit
  // code: 0, or 128 + signal; exits with it when a loop does not end within a
  // second. An error: a thread or a file could not be made.
  absl::StatusOr<int> Run();

  // --- For what runs beside the proxy in this process (the demo) ------------

  // Where forward i listens.
  const BoundForward& bound(size_t i) const { return bound_[i]; }
  // Runs `tick` each second on the control loop, until the drain begins, and
  // `last` then. Before Run().
  void EverySecond(std::function<void()> tick, std::function<void()> last);
  LogSink& log() { return *log_; }
  const ForwardMetrics& metrics() const { return *forward_metrics_; }
  int64_t connections() const { return admission_->active(); }
  // Of reactor i. Any thread.
  const LoopMonitor& monitor(size_t i) const { return *monitors_[i]; }
  size_t reactors() const { return workers_.size(); }

 private:
  Proxy(Settings settings, std::vector<ForwardSpec> forwards);

  // What reactor i accepts from, or the control loop (i = reactors()).
  std::vector<Listener> ListenersOf(size_t i) const;

  // The steps of Create(), in their order.
  absl::Status MakeLoops();
  absl::Status MakeAccessLog();
  // How many pipes all loops together may have open.
  int64_t Pipes() const;
  absl::Status MakeWorkers();
  Gate::Options GateOptions(size_t row);
  void MakeWatchdog();
  absl::Status MakeUpstreams();
  absl::Status MakeProbes();
  absl::Status MakeAdmin();
  void RegisterMetrics();

  // The label of loop i of monitors_.
  std::string LoopName(size_t i) const;
  std::vector<LoopSource> LoopSources() const;
  absl::Status WritePorts() const;
  void WriteInstanceFile();
  absl::Status Announce();
  void OnSignal(int signal);
  // For SIGUSR1.
  void ReopenAccessLog();
  // When no worker makes lines any more: what is left of the drain's time, and
  // a second at least; little after a second signal.
  void FlushAccessLog();
  void StopObserving();
  // Ends the process although a loop hangs, whose thread nobody can end.
  [[noreturn]] void ExitWithStuckLoop(int code);
  void StopAccepting(Task done);
  void CloseListeners();
  // Runs `task` on the loop of each worker.
  void PostToWorkers(std::function<void(Worker&)> task);

  const Settings settings_;
  const std::vector<ForwardSpec> forwards_;
  const size_t reactor_count_;
  const MonoTime created_at_;

  // Any thread.
  Health health_;
  std::unique_ptr<LogWriter> log_writer_;
  std::unique_ptr<Admission> admission_;
  std::unique_ptr<LoadMatrix> loads_;
  std::unique_ptr<ForwardMetrics> forward_metrics_;
  PauseLog pauses_;  // written by the watchdog
  std::vector<std::unique_ptr<LoopMonitor>>
      monitors_;                 // the control loop's last
  std::vector<LogSink*> sinks_;  // of the loops likewise, then the watchdog's
  Registry registry_;

  // Main thread, which is the control loop.
  LogSink* log_ = nullptr;
  std::string poller_;
  int64_t fd_limit_ = 0;
  std::vector<BoundForward> bound_;
  std::vector<std::string> warnings_;  // of start-up, printed by Announce()
  std::unique_ptr<Reactor> control_;
  std::unique_ptr<ReactorPool> pool_;
  // Of the control loop; null without --access_log. The workers write to it.
  std::unique_ptr<AioQueue> files_;
  std::unique_ptr<AccessLog> access_log_;
  // Of the control loop: with AcceptMode::kDedicated it accepts for all, else
  // it takes what is left when the listeners close.
  std::unique_ptr<Gate> gate_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<Watchdog> watchdog_;
  std::unique_ptr<UpstreamDirectory> upstreams_;
  std::unique_ptr<Admin> admin_;
  Address admin_address_;
  // Of a unix socket it has the path; the descriptor is the server's.
  ListeningSocket admin_socket_;
  std::unique_ptr<HttpServer> probes_;
  Address probes_address_;
  InstanceFile instance_file_;  // says where that is
  std::unique_ptr<SignalWatcher> signals_;
  std::unique_ptr<Drain> drain_;
  bool signalled_ = false;       // a first signal asked for a drain
  std::optional<int> exit_now_;  // the code of a second one
  class Ticker;
  std::unique_ptr<Ticker> ticker_;
};

}  // namespace weir

#endif  // PROXY_LIFECYCLE_PROXY_H_
