#include "metrics/http_exchange.h"

#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "event2/buffer.h"
#include "event2/bufferevent.h"
#include "event2/keyvalq_struct.h"
#include "glog/logging.h"

namespace weir {
namespace {

struct BufferFree {
  void operator()(evbuffer* buffer) const { evbuffer_free(buffer); }
};
struct Free {
  void operator()(char* text) const { std::free(text); }
};

// The values of every header called `name`.
std::vector<std::string> Headers(evhttp_request* request, const char* name) {
  std::vector<std::string> values;
  const evkeyval* header;
  TAILQ_FOREACH(header, evhttp_request_get_input_headers(request), next) {
    if (strcasecmp(header->key, name) == 0) values.push_back(header->value);
  }
  return values;
}

}  // namespace

int ConnectionFd(evhttp_request* request) {
  evhttp_connection* connection = evhttp_request_get_connection(request);
  if (connection == nullptr) return -1;
  return bufferevent_getfd(evhttp_connection_get_bufferevent(connection));
}

std::optional<HttpMethod> MethodOf(evhttp_request* request) {
  switch (evhttp_request_get_command(request)) {
    case EVHTTP_REQ_GET:
    case EVHTTP_REQ_HEAD:
      return HttpMethod::kGet;
    case EVHTTP_REQ_POST:
      return HttpMethod::kPost;
    default:
      return std::nullopt;
  }
}

std::optional<HttpRequest> Parse(evhttp_request* request) {
  const evhttp_uri* uri = evhttp_request_get_evhttp_uri(request);
  if (uri == nullptr) return std::nullopt;
  HttpRequest parsed;
  const char* path = evhttp_uri_get_path(uri);
  size_t size = 0;
  const std::unique_ptr<char, Free> decoded(
      evhttp_uridecode(path == nullptr ? "" : path, 0, &size));
  CHECK(decoded != nullptr);
  parsed.path = size == 0 ? "/" : std::string(decoded.get(), size);
  if (const char* query = evhttp_uri_get_query(uri)) parsed.query = query;
  evbuffer* input = evhttp_request_get_input_buffer(request);
  parsed.body.resize(evbuffer_get_length(input));
  evbuffer_copyout(input, parsed.body.data(), parsed.body.size());
  return parsed;
}

RequestFacts FactsOf(evhttp_request* request) {
  RequestFacts facts;
  const int fd = ConnectionFd(request);
  // On failure the family stays AF_UNSPEC, which nobody trusts.
  socklen_t size = sizeof facts.peer;
  getpeername(fd, reinterpret_cast<sockaddr*>(&facts.peer), &size);
  const std::vector<std::string> hosts = Headers(request, "Host");
  if (hosts.size() == 1) facts.host = hosts.front();
  // A target that names a host itself ("http://name/path", "//name/path") would
  // let the sender choose what Host and Origin are compared with.
  const evhttp_uri* uri = evhttp_request_get_evhttp_uri(request);
  if (evhttp_uri_get_host(uri) != nullptr) facts.host.reset();
  const std::vector<std::string> origins = Headers(request, "Origin");
  facts.has_origin = !origins.empty();
  if (origins.size() == 1) facts.origin = origins.front();
  return facts;
}

void Send(evhttp_request* request, const HttpResponse& response) {
  evkeyvalq* headers = evhttp_request_get_output_headers(request);
  evhttp_add_header(headers, "Content-Type", response.content_type.c_str());
  // Given here because evhttp leaves it out of the answer to a HEAD.
  evhttp_add_header(headers, "Content-Length",
                    std::to_string(response.body.size()).c_str());
  evhttp_add_header(headers, "Cache-Control", "no-store");
  evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : response.headers) {
    evhttp_add_header(headers, name.c_str(), value.c_str());
  }
  const std::unique_ptr<evbuffer, BufferFree> body(evbuffer_new());
  CHECK(body != nullptr);
  if (evhttp_request_get_command(request) != EVHTTP_REQ_HEAD) {
    evbuffer_add(body.get(), response.body.data(), response.body.size());
  }
  evhttp_send_reply(request, response.status, nullptr, body.get());
}

}  // namespace weir
