#include "reactor/async_file/file_thread.h"

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "metrics/quiet_thread.h"

namespace weir {

// The thread has a share of it, for it may stay behind.
struct FileThread::Shared : std::enable_shared_from_this<Shared> {
  void Main();
  // Under `mutex`. Leaves it where the loop must not be used any more.
  void PostThen(Task* then);

  // Loop thread only.
  bool started = false;
  bool stopped = false;

  std::mutex mutex;
  std::condition_variable changed;
  // Under `mutex`. Null when the loop must not be used any more.
  Reactor* reactor = nullptr;
  std::deque<Work> queue;
  bool stopping = false;
  bool ended = false;
};

void FileThread::Shared::PostThen(Task* then) {
  if (*then == nullptr || reactor == nullptr) return;
  reactor->Post([self = shared_from_this(), task = std::move(*then)]() mutable {
    if (!self->stopped) std::move(task)();
  });
}

void FileThread::Shared::Main() {
  std::unique_lock<std::mutex> lock(mutex);
  while (true) {
    changed.wait(lock, [this] { return stopping || !queue.empty(); });
    if (queue.empty() || reactor == nullptr) break;
    Work work = std::move(queue.front());
    queue.pop_front();
    lock.unlock();
    Task then = std::move(work)();
    work = {};
    lock.lock();
    PostThen(&then);
    // What is left holds a descriptor, perhaps, whose close can hang.
    lock.unlock();
    then = nullptr;
    lock.lock();
  }
  ended = true;
  changed.notify_all();
}

FileThread::FileThread(Reactor* reactor) : shared_(std::make_shared<Shared>()) {
  shared_->reactor = reactor;
}

void FileThread::Run(Work work) {
  if (!shared_->started && !shared_->stopped) {
    absl::StatusOr<std::thread> thread =
        StartQuietThread("files", [shared = shared_] { shared->Main(); });
    if (thread.ok()) {
      thread->detach();
      shared_->started = true;
    }
  }
  const bool here = !shared_->started || shared_->stopped;
  Task then;
  if (here) then = std::move(work)();
  const std::lock_guard<std::mutex> lock(shared_->mutex);
  if (here) return shared_->PostThen(&then);
  shared_->queue.push_back(std::move(work));
  shared_->changed.notify_all();
}

void FileThread::Stop() {
  if (std::exchange(shared_->stopped, true)) return;
  std::unique_lock<std::mutex> lock(shared_->mutex);
  shared_->stopping = true;
  shared_->changed.notify_all();
  if (shared_->started) {
    shared_->changed.wait_for(lock, kExitWait,
                              [this] { return shared_->ended; });
  }
  shared_->reactor = nullptr;
  const std::deque<Work> unrun = std::move(shared_->queue);
  lock.unlock();
}

}  // namespace weir
