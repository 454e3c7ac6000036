// Internal to metrics/. The requests whose answers are still to come.

#ifndef METRICS_HTTP_WAITING_H_
#define METRICS_HTTP_WAITING_H_

#include <cstdint>
#include <map>
#include <memory>

#include "event2/event.h"
#include "event2/http.h"
#include "metrics/http_connections.h"
#include "metrics/http_inbox.h"
#include "metrics/http_message.h"
#include "metrics/http_reply.h"

namespace weir {

// On the server's thread, but for the replies that it hands out. While a
// request waits, evhttp reads nothing from its connection (so it does not see
// the client leave either), and the request is ours to answer, unless its
// connection is freed: then it is gone with it.
class HttpWaiting {
 public:
  // `base` outlives this.
  HttpWaiting(event_base* base, std::shared_ptr<HttpInbox> inbox);
  ~HttpWaiting();
  HttpWaiting(const HttpWaiting&) = delete;
  HttpWaiting& operator=(const HttpWaiting&) = delete;

  // Calls `handler` and keeps `request` until there is an answer.
  void Add(evhttp_request* request, const HttpRequest& parsed,
           const HttpDeferredHandler& handler);

  // Closes the connection of the request that waits on the descriptor `fd`;
  // false when there is none.
  bool Abandon(int fd);

 private:
  struct Entry {
    HttpWaiting* owner;
    uint64_t id;
    evhttp_request* request;
    evhttp_connection* connection;
    HttpReply::Maker late;
    EventPtr timer;
  };

  void Answer(uint64_t id, const HttpReply::Maker& make);
  // The connection of the request is being freed.
  void OnGone(uint64_t id);
  std::unique_ptr<Entry> Take(uint64_t id);

  event_base* const base_;
  const std::shared_ptr<HttpInbox> inbox_;
  uint64_t last_id_ = 0;
  std::map<uint64_t, std::unique_ptr<Entry>> entries_;
};

}  // namespace weir

#endif  // METRICS_HTTP_WAITING_H_
