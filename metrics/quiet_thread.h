// Public. A thread that takes no signals: they are for the control loop.

#ifndef METRICS_QUIET_THREAD_H_
#define METRICS_QUIET_THREAD_H_

#include <functional>
#include <string>
#include <thread>

#include "absl/status/statusor.h"

namespace weir {

// Runs `main` on a new thread, named `name` (at most 15 characters) and with
// all signals blocked from its first instruction. Unavailable where the system
// has no thread left.
absl::StatusOr<std::thread> StartQuietThread(const std::string& name,
                                             std::function<void()> main);

}  // namespace weir

#endif  // METRICS_QUIET_THREAD_H_
