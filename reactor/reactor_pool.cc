#include "reactor/reactor_pool.h"

#include <pthread.h>
#include <sched.h>

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "reactor/clock.h"
#include "reactor/errno_status.h"
#include "reactor/reactor.h"

namespace weir {
namespace {

constexpr size_t kThreadNameBytes = 15;

// Returns an errno.
int Pin(std::thread& thread, int cpu) {
  if (cpu < 0) return EINVAL;
  const size_t size = CPU_ALLOC_SIZE(cpu + 1);
  cpu_set_t* const set = CPU_ALLOC(cpu + 1);
  if (set == nullptr) return ENOMEM;
  CPU_ZERO_S(size, set);
  CPU_SET_S(cpu, size, set);
  const int error = pthread_setaffinity_np(thread.native_handle(), size, set);
  CPU_FREE(set);
  return error;
}

}  // namespace

ReactorPool::ReactorPool(std::vector<std::unique_ptr<Reactor>> reactors,
                         Options options)
    : options_(std::move(options)), reactors_(std::move(reactors)) {
  for (const auto& reactor : reactors_) CHECK(reactor != nullptr);
}

ReactorPool::~ReactorPool() {
  Stop();
  Join();
}

absl::Status ReactorPool::Start() {
  CHECK(threads_.empty());
  threads_.reserve(reactors_.size());
  for (size_t i = 0; i < reactors_.size(); ++i) {
    Reactor* const reactor = reactors_[i].get();
    try {
      threads_.emplace_back([this, reactor] { ThreadMain(reactor); });
    } catch (const std::system_error& error) {
      Stop();
      Join();
      return ErrnoStatus(error.code().value(),
                         absl::StrCat("cannot start thread ", i + 1, " of ",
                                      reactors_.size()));
    }
    std::thread& thread = threads_.back();
    // Cannot fail: the name is short enough and the thread has not been joined.
    pthread_setname_np(thread.native_handle(),
                       reactor->name().substr(0, kThreadNameBytes).c_str());
    if (options_.cpus.empty()) continue;
    const int cpu = options_.cpus[i % options_.cpus.size()];
    if (const int error = Pin(thread, cpu); error != 0) {
      warnings_.push_back(absl::StrCat(reactor->name(),
                                       " does not run on processor ", cpu,
                                       " alone: ", ErrnoText(error)));
    }
  }
  return absl::OkStatus();
}

void ReactorPool::Stop() {
  for (const auto& reactor : reactors_) reactor->Stop();
}

void ReactorPool::ThreadMain(Reactor* reactor) {
  reactor->Run();
  const std::lock_guard<std::mutex> lock(mutex_);
  ++ended_;
  ended_changed_.notify_all();
}

void ReactorPool::Join() {
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

bool ReactorPool::JoinWithin(Duration limit) {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    if (!ended_changed_.wait_for(
            lock, limit, [this] { return ended_ >= threads_.size(); })) {
      return false;
    }
  }
  Join();
  return true;
}

}  // namespace weir
