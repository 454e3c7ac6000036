// Public. A loop that is driven by hand until something has happened: before
// it runs, and in tests.

#ifndef REACTOR_RUN_UNTIL_H_
#define REACTOR_RUN_UNTIL_H_

#include "absl/functional/function_ref.h"
#include "reactor/clock.h"
#include "reactor/reactor.h"

namespace weir {

// Rounds of `reactor` until so(), which is asked before each. False: not within
// that time of the loop's clock. On the thread that drives the loop.
bool RunUntil(Reactor* reactor, Duration within, absl::FunctionRef<bool()> so);

}  // namespace weir

#endif  // REACTOR_RUN_UNTIL_H_
