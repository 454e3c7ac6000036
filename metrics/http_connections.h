// Internal to metrics/. Which connections an evhttp server has, and which of
// them it has had enough of.

#ifndef METRICS_HTTP_CONNECTIONS_H_
#define METRICS_HTTP_CONNECTIONS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "event2/bufferevent.h"
#include "event2/event.h"

namespace weir {

struct EventFree {
  void operator()(event* e) const { event_free(e); }
};
using EventPtr = std::unique_ptr<event, EventFree>;

// evhttp (libevent 2.1) says neither who connected nor who left before the
// first request is complete, and it accepts without bound. So this class makes
// the bufferevent of each connection, which is how it learns of one, remembers
// the descriptor with its socket's cookie, and asks the kernel whether that
// number is still that socket when it matters. It ends a connection by shutting
// the socket down: evhttp then sees an end and frees it in its own way.
//
// Everything runs on the server's thread, in or between its events. The base
// needs two priorities, the default one (1) for evhttp.
class HttpConnections {
 public:
  // `set_accepting` starts and stops the listeners; they accept at first.
  // `abandon` frees the connection of that descriptor where evhttp would not
  // see its end, because an answer is yet to come from a handler; else it is
  // false.
  HttpConnections(event_base* base, size_t max_connections,
                  std::chrono::milliseconds request_timeout,
                  std::function<void(bool)> set_accepting,
                  std::function<bool(int fd)> abandon);
  ~HttpConnections();
  HttpConnections(const HttpConnections&) = delete;
  HttpConnections& operator=(const HttpConnections&) = delete;

  // For evhttp_set_bevcb().
  bufferevent* OnAccept();
  // accept() failed: most likely there are no descriptors. Tries again later,
  // for the listener stays readable and would keep the thread busy.
  void OnAcceptError();

  // The connection's request is complete, and an answer is on its way; the
  // answer is sent.
  void OnRequest(int fd);
  void OnAnswered(int fd);

  // True while an answer is on its way to somebody who is still there.
  bool Answering();

 private:
  struct Connection {
    int fd;
    uint64_t cookie;
    uint64_t order;  // of the last sign of life that counts: accept, request
    uint64_t tick;   // when that was
    bool answering;  // has an answer on its way
    bool closing;    // was shut down; evhttp will see it soon
  };

  void Register();
  void MakeRoom();
  void Tick();
  void ForgetClosed();
  Connection* Find(int fd);
  Connection* OldestIdle();
  void Touch(Connection* connection);
  void Close(Connection* connection);

  event_base* const base_;
  const size_t max_connections_;
  const timeval tick_time_;
  const std::function<void(bool)> set_accepting_;
  const std::function<bool(int)> abandon_;

  std::vector<bufferevent*> accepted_;  // a reference each, until Register()
  std::vector<Connection> connections_;
  uint64_t last_order_ = 0;
  uint64_t tick_ = 0;

  EventPtr register_event_;
  EventPtr room_event_;
  EventPtr tick_event_;
};

}  // namespace weir

#endif  // METRICS_HTTP_CONNECTIONS_H_
