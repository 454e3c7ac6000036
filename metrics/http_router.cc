#include "metrics/http_router.h"

#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace weir {

const HttpRouter::Route* HttpRouter::FindPath(std::string_view path,
                                              std::string* segment) const {
  for (const Route& route : routes_) {
    if (route.before.empty() && route.path == path) return &route;
  }
  for (const Route& route : routes_) {
    if (route.before.empty() || !path.starts_with(route.before) ||
        !path.ends_with(route.after) ||
        path.size() <= route.before.size() + route.after.size()) {
      continue;
    }
    const std::string_view middle =
        path.substr(route.before.size(),
                    path.size() - route.before.size() - route.after.size());
    if (middle.find('/') != std::string_view::npos) continue;
    *segment = std::string(middle);
    return &route;
  }
  return nullptr;
}

void HttpRouter::Handle(HttpMethod method, const std::string& path,
                        Action action) {
  CHECK(!path.empty() && path.front() == '/') << path;
  Route* route = nullptr;
  for (Route& known : routes_) {
    if (known.path == path) route = &known;
  }
  if (route == nullptr) {
    route = &routes_.emplace_back();
    route->path = path;
    if (const size_t open = path.find('{'); open != std::string::npos) {
      const size_t close = path.find('}', open);
      CHECK(close != std::string::npos && path[open - 1] == '/') << path;
      route->before = path.substr(0, open);
      route->after = path.substr(close + 1);
      CHECK(route->after.empty() || route->after.front() == '/') << path;
      CHECK(route->after.find('{') == std::string::npos) << path;
    }
  }
  Action& slot = method == HttpMethod::kGet ? route->get : route->post;
  CHECK(!slot) << path << " has a handler";
  slot = std::move(action);
}

HttpRouter::Match HttpRouter::Find(const std::string& path,
                                   std::optional<HttpMethod> method) const {
  Match match;
  const Route* route = FindPath(path, &match.segment);
  if (route == nullptr) {
    match.refusal.status = 404;
    match.refusal.body = List();
    return match;
  }
  if (method == HttpMethod::kGet && route->get) match.action = &route->get;
  if (method == HttpMethod::kPost && route->post) match.action = &route->post;
  if (match.action == nullptr) {
    const std::string allow = !route->post ? "GET, HEAD"
                              : route->get ? "GET, HEAD, POST"
                                           : "POST";
    match.refusal.status = 405;
    match.refusal.headers = {{"Allow", allow}};
    match.refusal.body = absl::StrCat("This path takes ", allow, " only.\n");
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
