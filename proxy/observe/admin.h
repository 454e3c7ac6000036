// Public. The admin port: metrics to scrape, probes to ask, and a command to
// drain. On a thread of its own, so a busy reactor never delays an answer.

#ifndef PROXY_OBSERVE_ADMIN_H_
#define PROXY_OBSERVE_ADMIN_H_

#include <chrono>
#include <cstdint>
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

  // Binds. `host` is an address literal without brackets. Errors of
  // HttpServer::Listen().
  absl::Status Listen(const std::string& host, uint16_t port);
  // The same, but on a port of the kernel's choice when `port` is taken. For a
  // port that nobody asked for: a second weir on a machine just starts.
  absl::Status ListenNear(const std::string& host, uint16_t port);
  // Takes a bound unix socket.
  absl::Status Adopt(int fd);

  // Answers from now on.
  absl::Status Start();
  void Stop();

  // The port that was bound; 0 before, and for unix sockets.
  uint16_t port() const { return server_.port(); }

 private:
  HttpResponse Live() const;

  const Options options_;
  HttpServer server_;
};

}  // namespace weir

#endif  // PROXY_OBSERVE_ADMIN_H_
