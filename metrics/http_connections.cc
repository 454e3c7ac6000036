#include "metrics/http_connections.h"

#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "glog/logging.h"

namespace weir {
namespace {

// A connection is given up after this many ticks and closed at the next, so
// after one to one and a quarter of the time-out.
constexpr int kTicksPerTimeout = 4;
constexpr timeval kAtOnce = {0, 0};
constexpr timeval kAcceptRetry = {0, 100'000};

timeval TickTime(std::chrono::milliseconds timeout) {
  const auto micros =
      std::chrono::duration_cast<std::chrono::microseconds>(timeout).count() /
      kTicksPerTimeout;
  return {micros / 1'000'000, micros % 1'000'000};
}

// Unique to a socket for as long as the machine runs; 0 when `fd` is none.
uint64_t CookieOf(int fd) {
  uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) != 0) return 0;
  return cookie;
}

bool HasUnreadBytes(int fd) {
  int bytes = 0;
  return ioctl(fd, FIONREAD, &bytes) == 0 && bytes > 0;
}

// An event that calls `method` of `object`.
template <class T, void (T::*method)()>
EventPtr NewEvent(event_base* base, short flags, T* object) {
  EventPtr created(event_new(
      base, -1, flags,
      [](evutil_socket_t, short, void* arg) {
        (static_cast<T*>(arg)->*method)();
      },
      object));
  CHECK(created != nullptr);
  return created;
}

}  // namespace

HttpConnections::HttpConnections(event_base* base, size_t max_connections,
                                 std::chrono::milliseconds request_timeout,
                                 std::function<void(bool)> set_accepting,
                                 std::function<bool(int)> abandon)
    : base_(base),
      max_connections_(max_connections),
      tick_time_(TickTime(request_timeout)),
      set_accepting_(std::move(set_accepting)),
      abandon_(std::move(abandon)),
      register_event_(
          NewEvent<HttpConnections, &HttpConnections::Register>(base, 0, this)),
      room_event_(
          NewEvent<HttpConnections, &HttpConnections::MakeRoom>(base, 0, this)),
      tick_event_(NewEvent<HttpConnections, &HttpConnections::Tick>(
          base, EV_PERSIST, this)) {
  // Above evhttp's own events: Register() runs right after the accept.
  CHECK_EQ(event_priority_set(register_event_.get(), 0), 0);
}

HttpConnections::~HttpConnections() {
  for (bufferevent* accepted : accepted_) bufferevent_decref(accepted);
}

bufferevent* HttpConnections::OnAccept() {
  bufferevent* created = bufferevent_socket_new(base_, -1, 0);
  if (created == nullptr) return nullptr;
  // It has no descriptor yet. By the time Register() runs it has, and the
  // reference keeps it alive until then, whatever evhttp does with it.
  bufferevent_incref(created);
  accepted_.push_back(created);
  event_active(register_event_.get(), 0, 0);
  // One at a time, else libevent accepts all that are queued before any is
  // looked at.
  set_accepting_(false);
  return created;
}

void HttpConnections::OnAcceptError() {
  set_accepting_(false);
  event_add(room_event_.get(), &kAcceptRetry);
}

void HttpConnections::Register() {
  for (bufferevent* accepted : std::exchange(accepted_, {})) {
    const int fd = bufferevent_getfd(accepted);
    if (const uint64_t cookie = CookieOf(fd); cookie != 0) {
      connections_.push_back({fd, cookie, 0, 0, false, false});
      Touch(&connections_.back());
    }
    bufferevent_decref(accepted);
  }
  if (!event_pending(tick_event_.get(), EV_TIMEOUT, nullptr)) {
    event_add(tick_event_.get(), &tick_time_);
  }
  MakeRoom();
}

void HttpConnections::MakeRoom() {
  ForgetClosed();
  if (connections_.size() <= max_connections_) {
    set_accepting_(true);
    return;
  }
  const bool leaving =
      std::any_of(connections_.begin(), connections_.end(),
                  [](const Connection& c) { return c.closing; });
  if (!leaving) Close(OldestIdle());
  // evhttp closes it in the next round, because its socket is at its end now.
  event_add(room_event_.get(), &kAtOnce);
}

void HttpConnections::Tick() {
  ++tick_;
  ForgetClosed();
  for (Connection& connection : connections_) {
    if (tick_ - connection.tick > kTicksPerTimeout) Close(&connection);
  }
  if (connections_.empty()) event_del(tick_event_.get());
}

void HttpConnections::ForgetClosed() {
  connections_.erase(std::remove_if(connections_.begin(), connections_.end(),
                                    [](const Connection& c) {
                                      return CookieOf(c.fd) != c.cookie;
                                    }),
                     connections_.end());
}

HttpConnections::Connection* HttpConnections::Find(int fd) {
  const uint64_t cookie = CookieOf(fd);
  for (Connection& connection : connections_) {
    if (connection.fd == fd && connection.cookie == cookie) return &connection;
  }
  return nullptr;
}

// The newest one, for whom room is made, is never the answer.
HttpConnections::Connection* HttpConnections::OldestIdle() {
  const auto by_order = [](const Connection& a, const Connection& b) {
    return a.order < b.order;
  };
  std::sort(connections_.begin(), connections_.end(), by_order);
  for (size_t i = 0; i + 1 < connections_.size(); ++i) {
    Connection& connection = connections_[i];
    // A request that has come and waits for its turn is not idle.
    if (!connection.answering && !HasUnreadBytes(connection.fd)) {
      return &connection;
    }
  }
  return &connections_.front();
}

void HttpConnections::Touch(Connection* connection) {
  connection->order = ++last_order_;
  connection->tick = tick_;
}

void HttpConnections::Close(Connection* connection) {
  connection->closing = true;
  if (!abandon_(connection->fd)) shutdown(connection->fd, SHUT_RDWR);
}

void HttpConnections::OnRequest(int fd) {
  if (Connection* connection = Find(fd)) {
    Touch(connection);
    connection->answering = true;
  }
}

void HttpConnections::OnAnswered(int fd) {
  if (Connection* connection = Find(fd)) {
    Touch(connection);
    connection->answering = false;
  }
}

bool HttpConnections::Answering() {
  ForgetClosed();
  return std::any_of(connections_.begin(), connections_.end(),
                     [](const Connection& c) { return c.answering; });
}

}  // namespace weir
