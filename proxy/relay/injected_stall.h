// Public. A stall on purpose, to see how weir tells of it.

#ifndef PROXY_RELAY_INJECTED_STALL_H_
#define PROXY_RELAY_INJECTED_STALL_H_

#include <cstdint>

#include "reactor/clock.h"

namespace weir {

enum class InjectedStall : uint8_t {
  kCpu,      // computes all the time
  kBlocked,  // sleeps in a system call
};

// Holds the calling thread for `duration` of the machine's monotonic time,
// however often signals interrupt it. Any thread.
void InjectStall(InjectedStall how, Duration duration);

// What it does, until that moment: named for those who find it in a stack.
void InjectedSpin(MonoTime until);
void InjectedSleep(MonoTime until);

}  // namespace weir

#endif  // PROXY_RELAY_INJECTED_STALL_H_
