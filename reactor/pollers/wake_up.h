// Internal. The descriptor through which other threads end a poller's wait.

#ifndef REACTOR_POLLERS_WAKE_UP_H_
#define REACTOR_POLLERS_WAKE_UP_H_

#include <atomic>

#include "reactor/fd.h"

namespace weir {

// An eventfd, and a flag that turns many Signal() calls between two looks of
// the loop into one write. After each report of readiness of fd() the loop
// calls exactly one of Seen() and Drain().
class WakeUp {
 public:
  WakeUp();

  // 0, or the errno that kept the descriptor from being made.
  int error() const { return error_; }
  int fd() const { return fd_.get(); }

  // Any thread. What this thread wrote before is visible to the loop when it
  // returns from the Wait() that this ends, whichever thread's write did it.
  void Signal();

  // Loop thread, edge-triggered pollers: the descriptor stays readable for
  // ever, each write is an edge of its own, and the read is saved.
  void Seen();
  // Loop thread, level-triggered pollers.
  void Drain();

 private:
  // Constant after construction.
  const UniqueFd fd_;
  const int error_;

  // Any thread. True from the Signal() that writes until the loop has seen it.
  std::atomic<bool> signalled_{false};
};

}  // namespace weir

#endif  // REACTOR_POLLERS_WAKE_UP_H_
