// Public. A small HTTP server on one thread of its own, for scrapes, probes and
// an operator's commands. It knows nothing of the program around it.
//
// Routes are exact paths, or have one variable segment: "/connections/{id}".
// GET implies HEAD. A wrong method is 405 with Allow, an unknown path 404 with
// the list of routes. POST is taken only from loopback peers (a unix socket's
// among them), when Host is localhost or a loopback address (a name that was
// rebound to us by a web page's DNS is neither) and Origin is absent or the
// same: else 403. A GET of a route that is kNoForeignPage is refused likewise
// to a peer on this machine's loopback addresses whose Host is another, for
// that is how a page that was rebound reads the answers.
//
// A handler answers at once, or later through an HttpReply, from any thread;
// its client then waits without holding others up, and for a bounded time.
//
// The number of connections is bounded: at the limit, a new one closes the one
// that has been idle for longest, so silent clients never keep a scrape out.

#ifndef METRICS_HTTP_SERVER_H_
#define METRICS_HTTP_SERVER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "metrics/http_message.h"
#include "metrics/http_reply.h"

namespace weir {

// Made, started and stopped by one thread, its owner's.
class HttpServer {
 public:
  struct Options {
    std::string thread_name = "admin";  // at most 15 characters
    size_t max_connections = 64;
    size_t max_header_bytes = 16 * 1024;
    size_t max_body_bytes = 64 * 1024;
    // From a connection's first byte, or the end of its last request, to the
    // end of its next request and to its answer being taken. Then it is closed.
    std::chrono::milliseconds request_timeout{10'000};
  };

  HttpServer();
  explicit HttpServer(Options options);
  // Stops.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Before Start(). CHECK: `path` starts with a slash, has at most one
  // {variable}, a whole segment, and is new for `method`. Exact paths win over
  // variables.
  void Handle(HttpMethod method, const std::string& path, HttpHandler handler,
              HttpAudience audience = HttpAudience::kAnybody);
  void HandleLater(HttpMethod method, const std::string& path,
                   HttpDeferredHandler handler,
                   HttpAudience audience = HttpAudience::kAnybody);

  // What runs tasks on the server's thread in their order, and requests between
  // a few of them. May be called on any thread, and also when the server is
  // gone: after Stop() tasks are destroyed unrun. They must not block.
  using Poster = std::function<void(std::function<void()> task)>;
  Poster poster() const;

  // Takes a socket that listens and does not block, of any family; it is the
  // server's now, also on failure. Clients are answered from Start() on. May be
  // called several times. Unavailable when it cannot be watched.
  absl::Status Serve(int fd);

  // Starts the thread (all signals blocked). Unavailable if it cannot.
  absl::Status Start();

  // Stops to accept, gives answers that are being sent or made up to 100 ms,
  // closes all connections and joins the thread. Does nothing when stopped.
  // Final.
  void Stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weir

#endif  // METRICS_HTTP_SERVER_H_
