// Internal to metrics/. Paths and their handlers.

#ifndef METRICS_HTTP_ROUTER_H_
#define METRICS_HTTP_ROUTER_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/http_message.h"
#include "metrics/http_reply.h"

namespace weir {

// A route is an exact path, or one with a variable segment, "/a/{b}/c", which
// stands for any text but an empty one or one with a slash. Exact paths win,
// then the route that was added first. Thread-safe once all of them are added.
class HttpRouter {
 public:
  // One of the two.
  struct Action {
    HttpHandler now;
    HttpDeferredHandler later;
    HttpAudience audience = HttpAudience::kAnybody;

    explicit operator bool() const { return now || later; }
  };

  // CHECK: `path` starts with a slash, has at most one variable, which is a
  // whole segment, and is new for `method`.
  void Handle(HttpMethod method, const std::string& path, Action action);

  // An action, or what to answer instead.
  struct Match {
    const Action* action = nullptr;  // the router's
    std::string segment;             // what the variable stands for
    HttpResponse refusal;
  };

  // `method` is nothing when the request's is neither GET, HEAD nor POST.
  Match Find(const std::string& path, std::optional<HttpMethod> method) const;

 private:
  struct Route {
    std::string path;
    // What stands before and after the variable; both empty without one.
    std::string before;
    std::string after;
    Action get;
    Action post;
  };

  const Route* FindPath(std::string_view path, std::string* segment) const;
  std::string List() const;

  std::vector<Route> routes_;  // in the order in which they were added
};

}  // namespace weir

#endif  // METRICS_HTTP_ROUTER_H_
