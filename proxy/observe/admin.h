// Public. The admin port: metrics to scrape, probes to ask, what loops and
// connections do, a status page, and an operator's commands. On a thread of its
// own, so a busy reactor never delays an answer; what only a loop can tell is
// asked of it, and answered without it after 250 ms.

#ifndef PROXY_OBSERVE_ADMIN_H_
#define PROXY_OBSERVE_ADMIN_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "metrics/http_server.h"
#include "metrics/registry.h"
#include "proxy/observe/access_log/access_log_status.h"
#include "proxy/observe/admin_loops.h"
#include "proxy/observe/admin_sources.h"
#include "proxy/observe/health.h"
#include "proxy/observe/log_writer.h"
#include "reactor/clock.h"

namespace weir {

class ConnectionKiller;
class ConnectionLister;
class StallOrders;

// Registers weir_build_info, weir_ready and weir_draining. `health` outlives
// the registry's last scrape.
void AddStateMetrics(const std::string& version, const Health* health,
                     Registry* registry);

// Made, started and stopped by the control thread.
class Admin {
 public:
  struct Options {
    const Registry* registry = nullptr;  // outlives this; so do the next
    const Health* health = nullptr;
    Clock* clock = &Clock::Real();

    ProcessFacts facts;
    std::vector<LoopSource> loops;
    std::vector<WorkerSource> workers;
    StackNames stack_names;  // may be null
    // Null without an access log. Called on the admin thread.
    std::function<AccessLogStatus()> access_log;

    // All are called on the admin thread and must only post.
    // POST /drain; possibly several times.
    std::function<void()> request_drain;
    // POST /log_level.
    std::function<void(LogLevel)> set_log_level;
    // POST /debug/stall; null: not allowed.
    std::function<void(StallOrder)> inject_stall;
  };

  explicit Admin(Options options);
  // Stops.
  ~Admin();
  Admin(const Admin&) = delete;
  Admin& operator=(const Admin&) = delete;

  // Takes a listening socket: see HttpServer::Serve().
  absl::Status Serve(int fd) { return server_.Serve(fd); }
  // Answers from now on.
  absl::Status Start() { return server_.Start(); }
  void Stop() { server_.Stop(); }

 private:
  void AddPage();
  void AddQuestions();
  void AddCommands();

  const Options options_;
  // The server's thread's; destroyed after the server.
  AdminLoops loops_;
  std::unique_ptr<ConnectionLister> lister_;
  std::unique_ptr<ConnectionKiller> killer_;
  std::unique_ptr<StallOrders> stalls_;
  HttpServer server_;
};

}  // namespace weir

#endif  // PROXY_OBSERVE_ADMIN_H_
