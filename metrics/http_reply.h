// Public. An answer that is given later, from another thread, while the server
// serves others.

#ifndef METRICS_HTTP_REPLY_H_
#define METRICS_HTTP_REPLY_H_

#include <chrono>
#include <functional>
#include <utility>

#include "metrics/http_message.h"

namespace weir {

// Who may answer one request. A value: copies stand for the same request. The
// first answer counts, all others are dropped without a trace; so is one that
// comes when the client has left, when its time was over, or when the server is
// stopped or gone.
class HttpReply {
 public:
  // Makes an answer on the server's thread, where it may take a moment that the
  // caller, a loop, has not.
  using Maker = std::function<HttpResponse()>;

  // The server's; a test may have its own.
  explicit HttpReply(std::function<void(Maker)> deliver)
      : deliver_(std::move(deliver)) {}

  // Any thread; waits for nothing (a lock that is held to push on a queue).
  // `make` is not run where the answer would be dropped.
  void Send(Maker make) const { deliver_(std::move(make)); }
  void Send(HttpResponse response) const {
    Send([answer = std::move(response)] { return answer; });
  }

 private:
  std::function<void(Maker)> deliver_;
};

// What a handler that answers later leaves behind: for how long its client
// waits, and what the client is told then (null: that nobody answered).
struct HttpDeferral {
  std::chrono::milliseconds limit;
  HttpReply::Maker late;
};

// Runs on the server's thread and must not block. It may answer at once, too.
using HttpDeferredHandler =
    std::function<HttpDeferral(const HttpRequest&, HttpReply)>;

}  // namespace weir

#endif  // METRICS_HTTP_REPLY_H_
