#include "metrics/http_waiting.h"

#include <chrono>
#include <utility>

#include "event2/bufferevent.h"
#include "glog/logging.h"
#include "metrics/http_exchange.h"

namespace weir {
namespace {

HttpResponse Nobody() {
  HttpResponse response;
  response.status = 504;
  response.body = "No answer in time.\n";
  return response;
}

}  // namespace

HttpWaiting::HttpWaiting(event_base* base, std::shared_ptr<HttpInbox> inbox)
    : base_(base), inbox_(std::move(inbox)) {}

HttpWaiting::~HttpWaiting() {
  // Their connections are freed after this, and must not call back.
  for (const auto& [id, entry] : entries_) {
    evhttp_connection_set_closecb(entry->connection, nullptr, nullptr);
  }
}

void HttpWaiting::Add(evhttp_request* request, const HttpRequest& parsed,
                      const HttpDeferredHandler& handler) {
  const uint64_t id = ++last_id_;
  auto added = std::make_unique<Entry>(
      Entry{this, id, request, evhttp_request_get_connection(request), {}, {}});
  Entry* const entry = added.get();
  entries_.emplace(id, std::move(added));
  evhttp_connection_set_closecb(
      entry->connection,
      [](evhttp_connection*, void* arg) {
        const Entry* gone = static_cast<Entry*>(arg);
        gone->owner->OnGone(gone->id);
      },
      entry);
  // Bytes that come meanwhile are the next request's: evhttp ends the process
  // when it is to read them now. It reads on when the answer is sent.
  bufferevent_disable(evhttp_connection_get_bufferevent(entry->connection),
                      EV_READ);
  // An answer that the handler gives at once comes through the inbox as well,
  // so when this is done.
  HttpDeferral deferral = handler(
      parsed, HttpReply([inbox = inbox_, this, id](HttpReply::Maker make) {
        // `this` is used on the server's thread alone, and while it lives:
        // after that the inbox is closed.
        inbox->Post([this, id, make = std::move(make)] { Answer(id, make); });
      }));
  entry->late = std::move(deferral.late);
  entry->timer.reset(event_new(
      base_, -1, 0,
      [](evutil_socket_t, short, void* arg) {
        const Entry* late = static_cast<Entry*>(arg);
        // Copied, for the entry goes first.
        late->owner->Answer(late->id, HttpReply::Maker(late->late));
      },
      entry));
  CHECK(entry->timer != nullptr);
  const auto limit = std::chrono::microseconds(deferral.limit).count();
  const timeval time = {limit / 1'000'000, limit % 1'000'000};
  CHECK_EQ(event_add(entry->timer.get(), &time), 0);
}

bool HttpWaiting::Abandon(int fd) {
  for (const auto& [id, entry] : entries_) {
    if (ConnectionFd(entry->request) != fd) continue;
    const std::unique_ptr<Entry> abandoned = Take(entry->id);
    evhttp_connection_set_closecb(abandoned->connection, nullptr, nullptr);
    evhttp_connection_free(abandoned->connection);  // and its request
    return true;
  }
  return false;
}

void HttpWaiting::Answer(uint64_t id, const HttpReply::Maker& make) {
  const std::unique_ptr<Entry> entry = Take(id);
  if (entry == nullptr) return;
  evhttp_connection_set_closecb(entry->connection, nullptr, nullptr);
  Send(entry->request, make ? make() : Nobody());
}

void HttpWaiting::OnGone(uint64_t id) {
  const std::unique_ptr<Entry> entry = Take(id);
  if (entry == nullptr) return;
  // evhttp frees the requests of a connection with it, but for one that it took
  // off a connection that failed.
  if (evhttp_request_get_connection(entry->request) == nullptr) {
    evhttp_request_free(entry->request);
  }
}

std::unique_ptr<HttpWaiting::Entry> HttpWaiting::Take(uint64_t id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return nullptr;
  std::unique_ptr<Entry> entry = std::move(found->second);
  entries_.erase(found);
  return entry;
}

}  // namespace weir
