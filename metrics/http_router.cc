#include "metrics/http_router.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace weir {

const HttpRouter::Route* HttpRouter::FindPath(const std::string& path) const {
  for (const Route& route : routes_) {
    if (route.path == path) return &route;
  }
  return nullptr;
}

void HttpRouter::Handle(HttpMethod method, const std::string& path,
                        HttpHandler handler) {
  CHECK(!path.empty() && path.front() == '/') << path;
  if (FindPath(path) == nullptr) routes_.push_back({path, nullptr, nullptr});
  for (Route& route : routes_) {
    if (route.path != path) continue;
    HttpHandler& slot = method == HttpMethod::kGet ? route.get : route.post;
    CHECK(!slot) << path << " has a handler";
    slot = std::move(handler);
    return;
  }
}

HttpRouter::Match HttpRouter::Find(const std::string& path,
                                   std::optional<HttpMethod> method) const {
  Match match;
  const Route* route = FindPath(path);
  if (route == nullptr) {
    match.refusal.status = 404;
    match.refusal.body = List();
    return match;
  }
  if (method == HttpMethod::kGet && route->get) match.handler = &route->get;
  if (method == HttpMethod::kPost && route->post) match.handler = &route->post;
  if (match.handler == nullptr) {
    match.allow = !route->post ? "GET, HEAD"
                  : route->get ? "GET, HEAD, POST"
                               : "POST";
    match.refusal.status = 405;
    match.refusal.body =
        absl::StrCat("This path takes ", match.allow, " only.\n");
  }
  return match;
}

std::string HttpRouter::List() const {
  std::string list = "No such path. There are:\n";
  for (const Route& route : routes_) {
    if (route.get) absl::StrAppend(&list, "  GET ", route.path, "\n");
    if (route.post) absl::StrAppend(&list, "  POST ", route.path, "\n");
  }
  return list;
}

}  // namespace weir
