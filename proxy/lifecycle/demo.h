// Public. `weir demo`: the proxy with something to do, for those who look at it
// for the first time.

#ifndef PROXY_LIFECYCLE_DEMO_H_
#define PROXY_LIFECYCLE_DEMO_H_

#include "absl/status/statusor.h"
#include "proxy/config/settings.h"

namespace weir {

// Starts an echo upstream of its own, a forward to it and clients that send
// through it, all on loopback and on ports of the kernel's choice, and prints a
// line a second: connections, rates and loop lag. Runs until Ctrl-C and drains
// then. Returns the exit code. Main thread, after BlockSignals().
absl::StatusOr<int> RunDemo(Settings settings);

}  // namespace weir

#endif  // PROXY_LIFECYCLE_DEMO_H_
