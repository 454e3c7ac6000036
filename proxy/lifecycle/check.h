// Public. `weir check`: says whether the forwards would start, without starting
// them.

#ifndef PROXY_LIFECYCLE_CHECK_H_
#define PROXY_LIFECYCLE_CHECK_H_

#include "absl/status/status.h"
#include "proxy/config/command_line.h"

namespace weir {

// Binds what the forwards listen on and lets go again; with `dial` it also
// connects to each target once, within the forward's connect time-out. Looks
// whether the access log could be opened, and makes no file. Prints a line for
// each forward, and what BoundForward warns of, to stderr unless --quiet. The
// error is the first thing that failed. Any thread; blocks.
absl::Status Check(const CheckCommand& command);

}  // namespace weir

#endif  // PROXY_LIFECYCLE_CHECK_H_
