#include "metrics/http_inbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

namespace weir {

HttpInbox::HttpInbox() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

HttpInbox::~HttpInbox() {
  if (fd_ >= 0) close(fd_);
}

void HttpInbox::Post(Task task) {
  bool first;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return;
    first = tasks_.empty();
    tasks_.push_back(std::move(task));
  }
  // Outside the lock, so that the woken thread does not meet it. The descriptor
  // lives as long as this object.
  if (first) Wake();
}

void HttpInbox::Wake() {
  // Fails only where the counter is full, and then it is readable already.
  const uint64_t one = 1;
  static_cast<void>(!write(fd_, &one, sizeof one));
}

void HttpInbox::RunSome() {
  uint64_t count;
  static_cast<void>(!read(fd_, &count, sizeof count));
  std::vector<Task> tasks;
  bool more;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto end = tasks_.begin() + static_cast<std::ptrdiff_t>(
                                          std::min(tasks_.size(), kPerTurn));
    tasks.assign(std::make_move_iterator(tasks_.begin()),
                 std::make_move_iterator(end));
    tasks_.erase(tasks_.begin(), end);
    more = !tasks_.empty();
  }
  if (more) Wake();
  for (Task& task : tasks) task();
}

void HttpInbox::Close() {
  std::deque<Task> left;  // destroyed outside the lock: they may post then
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    left.swap(tasks_);
  }
}

}  // namespace weir
