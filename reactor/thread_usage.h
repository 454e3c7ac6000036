// Public. What a thread got of the processors.

#ifndef REACTOR_THREAD_USAGE_H_
#define REACTOR_THREAD_USAGE_H_

#include <memory>

#include "reactor/clock.h"

namespace weir {

struct Usage {
  Duration cpu{};        // it ran
  Duration run_delay{};  // it could run and waited for a processor
};

// Read() for any thread.
class ThreadUsage {
 public:
  virtual ~ThreadUsage() = default;

  // Two system calls. What cannot be read any more stays as it was last read;
  // where the kernel keeps no schedstat (proc(5)), run_delay is 0.
  virtual Usage Read() = 0;

  // Keeps a descriptor open where schedstat can be had.
  static std::unique_ptr<ThreadUsage> OfThisThread();
};

}  // namespace weir

#endif  // REACTOR_THREAD_USAGE_H_
