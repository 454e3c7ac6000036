// Internal to observe. POST /debug/stall and /log_level.

#ifndef PROXY_OBSERVE_ADMIN_COMMANDS_H_
#define PROXY_OBSERVE_ADMIN_COMMANDS_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "metrics/http_message.h"
#include "metrics/http_reply.h"
#include "proxy/observe/admin_sources.h"
#include "proxy/observe/log_writer.h"

namespace weir {

// POST /debug/stall, on the admin server's thread.
class StallOrders {
 public:
  // `inject` is null where stalls are not allowed; it only posts. `loops` are
  // the names of those that an order may be for.
  StallOrders(std::vector<std::string> loops,
              std::function<void(StallOrder)> inject);

  // ?reactor=NAME&ms=N[&how=cpu|blocked][&connection=ID]. Answers when the
  // stall was ordered; with a connection, when it begins. A loop takes one
  // order at a time.
  HttpDeferral Post(const HttpRequest& request, HttpReply reply);

 private:
  const std::vector<std::string> loops_;
  const std::function<void(StallOrder)> inject_;
  // Whether a loop has an order; shared with the order, which any thread may
  // end, also when this is gone.
  std::vector<std::shared_ptr<std::atomic<bool>>> ordered_;
};

// ?level=error|warning|info|verbose.
HttpResponse PostLogLevel(const HttpRequest& request,
                          const std::function<void(LogLevel)>& set_level);

}  // namespace weir

#endif  // PROXY_OBSERVE_ADMIN_COMMANDS_H_
