// Internal to proxy/lifecycle. What the log says of a loop that does not turn.

#ifndef PROXY_LIFECYCLE_STALL_LINE_H_
#define PROXY_LIFECYCLE_STALL_LINE_H_

#include <string>
#include <vector>

#include "proxy/config/forward_spec.h"
#include "reactor/watchdog.h"

namespace weir {

// "reactor 0 has not looked for 62.0ms: relay pg#17 (cpu) in Session::Relay() <
// Session::Drive() < ...", where the stack is known. `forwards` are what the
// report's subject counts.
std::string StallLine(const Watchdog::Report& report,
                      const std::vector<ForwardSpec>& forwards);

}  // namespace weir

#endif  // PROXY_LIFECYCLE_STALL_LINE_H_
