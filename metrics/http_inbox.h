// Internal to metrics/. What other threads want done on the server's.

#ifndef METRICS_HTTP_INBOX_H_
#define METRICS_HTTP_INBOX_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>

namespace weir {

// Shared by the server and whoever may still post to it when it is gone.
class HttpInbox {
 public:
  using Task = std::function<void()>;

  // A task may make a large answer: between so many of them, requests that have
  // come meanwhile get their turn.
  static constexpr size_t kPerTurn = 4;

  HttpInbox();
  ~HttpInbox();
  HttpInbox(const HttpInbox&) = delete;
  HttpInbox& operator=(const HttpInbox&) = delete;

  // Any thread. `task` is destroyed, unrun, once the inbox is closed.
  void Post(Task task);

  // The server's thread. Readable when there is something to run; -1 when the
  // process had no descriptor left.
  int fd() const { return fd_; }
  // Runs the oldest ones. Where some are left, fd() stays readable.
  void RunSome();

  // From now on nothing is run. What is left is destroyed.
  void Close();

 private:
  void Wake();

  const int fd_;  // an eventfd

  std::mutex mutex_;  // held to push or to swap, never while a task runs
  std::deque<Task> tasks_;
  bool closed_ = false;
};

}  // namespace weir

#endif  // METRICS_HTTP_INBOX_H_
