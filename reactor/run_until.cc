#include "reactor/run_until.h"

namespace weir {

bool RunUntil(Reactor* reactor, Duration within, absl::FunctionRef<bool()> so) {
  const MonoTime deadline = reactor->clock().Now() + within;
  while (!so()) {
    const Duration left = deadline - reactor->clock().Now();
    if (left <= Duration::zero()) return false;
    reactor->RunOnce(left);
  }
  return true;
}

}  // namespace weir
