// Public. What a handler of the HTTP server gets and gives.

#ifndef METRICS_HTTP_MESSAGE_H_
#define METRICS_HTTP_MESSAGE_H_

#include <functional>
#include <string>

namespace weir {

enum class HttpMethod { kGet, kPost };

struct HttpRequest {
  std::string path;   // decoded
  std::string query;  // as sent, without the question mark
  std::string body;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// Runs on the server's thread. Must not block: every other client waits.
using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

}  // namespace weir

#endif  // METRICS_HTTP_MESSAGE_H_
