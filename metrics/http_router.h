// Internal to metrics/. Paths and their handlers.

#ifndef METRICS_HTTP_ROUTER_H_
#define METRICS_HTTP_ROUTER_H_

#include <optional>
#include <string>
#include <vector>

#include "metrics/http_message.h"

namespace weir {

// Routes are exact paths. Thread-safe once all of them are added.
class HttpRouter {
 public:
  // CHECK: `path` starts with a slash and is new for `method`.
  void Handle(HttpMethod method, const std::string& path, HttpHandler handler);

  // A handler, or what to answer instead.
  struct Match {
    const HttpHandler* handler = nullptr;  // the router's
    HttpResponse refusal;
    std::string allow;  // the Allow header of a 405
  };

  // `method` is nothing when the request's is neither GET, HEAD nor POST.
  Match Find(const std::string& path, std::optional<HttpMethod> method) const;

 private:
  struct Route {
    std::string path;
    HttpHandler get;
    HttpHandler post;
  };

  const Route* FindPath(const std::string& path) const;
  std::string List() const;

  std::vector<Route> routes_;  // in the order in which they were added
};

}  // namespace weir

#endif  // METRICS_HTTP_ROUTER_H_
