// Public. What a handler of the HTTP server gets and gives.

#ifndef METRICS_HTTP_MESSAGE_H_
#define METRICS_HTTP_MESSAGE_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace weir {

enum class HttpMethod { kGet, kPost };

// Whom a GET is answered.
enum class HttpAudience {
  kAnybody,
  // Not a page of the web whose name leads to this machine: see HttpServer.
  kNoForeignPage,
};

struct HttpRequest {
  std::string path;     // decoded
  std::string segment;  // what a route's {variable} stands for, decoded
  std::string query;    // as sent, without the question mark: see HttpQuery
  std::string body;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  // More of them, names and values. Neither has a line end in it.
  std::vector<std::pair<std::string, std::string>> headers = {};
};

// Runs on the server's thread. Must not block: every other client waits.
using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

}  // namespace weir

#endif  // METRICS_HTTP_MESSAGE_H_
