// How the proxy shows itself: its admin port, its probes, its metrics.

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "metrics/process_metrics.h"
#include "proxy/config/version.h"
#include "proxy/lifecycle/admin_wiring.h"
#include "proxy/lifecycle/proxy.h"
#include "proxy/observe/probes.h"
#include "reactor/stack_trace.h"

namespace weir {

absl::Status Proxy::MakeProbes() {
  if (!settings_.probes.has_value()) return absl::OkStatus();
  absl::StatusOr<ListeningSocket> socket =
      BindProbes(Kernel::Real(), *settings_.probes);
  if (!socket.ok()) return socket.status();
  probes_address_ = socket->address;
  HttpServer::Options options;
  options.thread_name = "probes";
  options.max_connections = kAdminFds;
  probes_ = std::make_unique<HttpServer>(options);
  AddProbes(&registry_, &health_, LoopSources(), probes_.get());
  return probes_->Serve(socket->fd.Release());
}

absl::Status Proxy::MakeAdmin() {
  if (!settings_.admin.has_value()) return absl::OkStatus();
  Admin::Options options;
  options.registry = &registry_;
  options.health = &health_;
  options.facts = FactsOf(settings_, forwards_, bound_);
  options.facts.created_at = created_at_;
  options.facts.poller = poller_;
  options.facts.max_connections = admission_->max();
  if (access_log_ != nullptr) {
    options.access_log = [this] { return access_log_->status(); };
  }
  options.loops = LoopSources();
  for (size_t i = 0; i < workers_.size(); ++i) {
    options.workers.push_back(WorkerSourceOf(LoopName(i), workers_[i].get()));
  }
  options.stack_names = Symbolize;
  options.request_drain = [this] {
    control_->Post([this] { drain_->Begin(); });
  };
  options.set_log_level = [this](LogLevel level) {
    log_writer_->SetLevel(level);
  };
  if (settings_.allow_stall_injection) {
    options.inject_stall = StallInjector(&workers_, control_.get());
  }
  admin_ = std::make_unique<Admin>(std::move(options));
  absl::StatusOr<ListeningSocket> socket =
      BindAdmin(Kernel::Real(), *settings_.admin, settings_.admin_is_default);
  if (!socket.ok()) return socket.status();
  admin_socket_ = *std::move(socket);
  admin_address_ = admin_socket_.address;
  return admin_->Serve(admin_socket_.fd.Release());
}

std::vector<LoopSource> Proxy::LoopSources() const {
  std::vector<LoopSource> loops;
  for (size_t i = 0; i < monitors_.size(); ++i) {
    loops.push_back(LoopSourceOf(LoopName(i), monitors_[i].get()));
    if (!settings_.loop_metrics) loops.back().age = nullptr;
  }
  return loops;
}

void Proxy::RegisterMetrics() {
  AddStateMetrics(std::string(kVersion), &health_, &registry_);
  forward_metrics_->Register(&Clock::Real(), &registry_);
  for (size_t i = 0; i < monitors_.size(); ++i) {
    if (settings_.loop_metrics) {
      monitors_[i]->Register("weir_", LoopName(i), &Clock::Real(), &registry_);
    }
    const Reactor* const reactor =
        i < pool_->size() ? &pool_->reactor(i) : control_.get();
    registry_.AddGauge("weir_reactor_task_queue_depth",
                       "Tasks that were posted to the loop and have not begun.",
                       {{"reactor", LoopName(i)}}, [reactor] {
                         return static_cast<double>(reactor->queue_depth());
                       });
    registry_.AddGauge(
        "weir_reactor_pending_timers", "Timers that are scheduled.",
        {{"reactor", LoopName(i)}},
        [reactor] { return static_cast<double>(reactor->pending_timers()); });
  }
  if (watchdog_ != nullptr) watchdog_->Register("weir_", &registry_);
  for (size_t i = 0; i < workers_.size(); ++i) {
    workers_[i]->Register(absl::StrCat(i), &registry_);
  }
  gate_->Register(&registry_);
  upstreams_->dns_metrics().Register(&registry_);
  if (access_log_ != nullptr) {
    access_log_->Register(&registry_);
    files_->Register("weir_", &registry_);
  }
  constexpr char kDropped[] = "weir_log_dropped_total";
  constexpr char kDroppedHelp[] = "Log lines that were not written.";
  for (const LogSink* sink : sinks_) {
    registry_.AddCounter(kDropped, kDroppedHelp, {{"reason", "full"}},
                         &sink->dropped());
  }
  registry_.AddCounter(kDropped, kDroppedHelp, {{"reason", "output"}}, [this] {
    return static_cast<double>(log_writer_->unwritten());
  });
  AddProcessMetrics(&registry_);
}

}  // namespace weir
