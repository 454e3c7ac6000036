// Public. Tasks for a loop from any thread: many producers, one consumer, no
// lock.

#ifndef REACTOR_MAILBOX_H_
#define REACTOR_MAILBOX_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "metrics/instrument.h"

namespace weir {

using Task = absl::AnyInvocable<void() &&>;

// A list that producers push with one compare-and-swap and that the consumer
// takes whole with one exchange. The consumer says when it is about to sleep;
// only then does a push ask for a wake-up, and only one push does.
class Mailbox {
 public:
  Mailbox() = default;
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;
  // Destroys, without running, what is left. No push may run at the same time,
  // but destroying a task may push others: they are destroyed too.
  ~Mailbox();

  // Any thread. Returns true when the consumer sleeps and the caller must wake
  // it.
  [[nodiscard]] bool Push(Task task);

  // Consumer. Announces a sleep and looks again: true when it may sleep, false
  // when something lies in the box or waits for Run() (then the announcement is
  // withdrawn).
  [[nodiscard]] bool PrepareToSleep();
  // Consumer, after its wait.
  void Awake();

  // Consumer. Moves what lies in the box behind what was moved before; returns
  // how many tasks now wait for Run().
  size_t Collect();
  // Consumer. Runs up to `limit` collected tasks in the order of their pushes,
  // and `before_each` before each; returns how many. A task is destroyed as
  // soon as it ran.
  size_t Run(
      size_t limit, absl::FunctionRef<void()> before_each = [] {});

  // How many tasks have been pushed and have not begun. Any thread.
  size_t depth() const {
    const uint64_t begun = begun_.Value();
    const uint64_t pushed = pushed_.load(std::memory_order_relaxed);
    return pushed > begun ? pushed - begun : 0;
  }

 private:
  struct Node {
    Task task;
    Node* next = nullptr;
  };

  static constexpr size_t kCacheLine = 64;

  // Any thread. The newest task first. A push is a release and Collect() an
  // acquire; Push() and PrepareToSleep() both use seq_cst on both words, for
  // each writes one and then reads the other, and at least one of them has to
  // see what the other wrote.
  alignas(kCacheLine) std::atomic<Node*> head_{nullptr};
  // Set by the consumer, cleared by it or by the one push that wakes it.
  std::atomic<bool> sleeping_{false};
  std::atomic<uint64_t> pushed_{0};  // counted before the push

  // Consumer only, on a cache line that producers do not write. The oldest task
  // first.
  alignas(kCacheLine) Node* first_ = nullptr;
  Node* last_ = nullptr;
  size_t collected_ = 0;
  Counter begun_;  // any thread reads
};

}  // namespace weir

#endif  // REACTOR_MAILBOX_H_
