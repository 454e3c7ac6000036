// Public. The admin port: metrics to scrape, probes to ask, and a command to
// drain. On a thread of its own, so a busy reactor never delays an answer.

#ifndef PROXY_OBSERVE_ADMIN_H_
#define PROXY_OBSERVE_ADMIN_H_

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "metrics/http_server.h"
#include "metrics/registry.h"
#include "proxy/observe/health.h"

namespace weir {

// Registers weir_build_info, weir_ready and weir_draining. `health` outlives
// the registry's last scrape.
void AddStateMetrics(const std::string& version, const Health* health,
                     Registry* registry);

// Made, started and stopped by the control thread.
class Admin {
 public:
  // A loop that /live watches.
  struct Loop {
    std::string name;
    // How long its current iteration has been running; 0 while it polls. Called
    // on the admin thread.
    std::function<std::chrono::nanoseconds()> age;
  };

  struct Options {
    const Registry* registry = nullptr;  // outlives this; so do the next
    const Health* health = nullptr;
    std::vector<Loop> loops;
    // POST /drain. Called on the admin thread, possibly several times: must
    // only post to the control loop.
    std::function<void()> request_drain;
  };

  // An iteration that runs for this long is taken for dead (/live is 503).
  static constexpr std::chrono::seconds kDeadAfter{30};

  explicit Admin(Options options);
  // Stops.
  ~Admin() = default;
  Admin(const Admin&) = delete;
  Admin& operator=(const Admin&) = delete;

  // Takes a listening socket: see HttpServer::Serve().
  absl::Status Serve(int fd) { return server_.Serve(fd); }
  // Answers from now on.
  absl::Status Start() { return server_.Start(); }
  void Stop() { server_.Stop(); }

 private:
  HttpResponse Live() const;

  const Options options_;
  HttpServer server_;
};

}  // namespace weir

#endif  // PROXY_OBSERVE_ADMIN_H_
