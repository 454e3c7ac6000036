// Internal to reactor/. "On the loop thread" as a capability that clang's
// thread-safety analysis checks.

#ifndef REACTOR_LOOP_THREAD_H_
#define REACTOR_LOOP_THREAD_H_

#include <atomic>
#include <cassert>
#include <thread>

#include "absl/base/thread_annotations.h"

namespace weir {

// Unbound until Bind(): before a loop starts, whoever builds it may use it.
class ABSL_LOCKABLE LoopThread {
 public:
  // The calling thread is the loop thread from now on.
  void Bind() {
    id_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  }
  void Unbind() { id_.store({}, std::memory_order_relaxed); }

  void AssertHeld() const ABSL_ASSERT_EXCLUSIVE_LOCK() { assert(Held()); }

  bool Held() const {
    const std::thread::id id = id_.load(std::memory_order_relaxed);
    return id == std::thread::id() || id == std::this_thread::get_id();
  }

 private:
  // Atomic only so that a wrong thread can find out that it is wrong.
  std::atomic<std::thread::id> id_{};
};

}  // namespace weir

#endif  // REACTOR_LOOP_THREAD_H_
