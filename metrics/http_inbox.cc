#include "metrics/http_inbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

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
  // lives as long as this object. Fails only where the counter is full, and
  // then it is readable already.
  const uint64_t one = 1;
  if (first) static_cast<void>(!write(fd_, &one, sizeof one));
}

void HttpInbox::RunAll() {
  uint64_t count;
  static_cast<void>(!read(fd_, &count, sizeof count));
  std::vector<Task> tasks;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    tasks.swap(tasks_);
  }
  for (Task& task : tasks) task();
}

void HttpInbox::Close() {
  std::vector<Task> left;  // destroyed outside the lock: they may post then
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    left.swap(tasks_);
  }
}

}  // namespace weir
