#include "proxy/relay/injected_stall.h"

#include <errno.h>
#include <time.h>

#include <chrono>

namespace weir {

// Not inlined, and not cloned under another name.
#if defined(__clang__)
#define WEIR_IN_STACKS [[gnu::noinline]]
#else
#define WEIR_IN_STACKS [[gnu::noinline, gnu::noclone]]
#endif

WEIR_IN_STACKS void InjectedSpin(MonoTime until) {
  Clock& clock = Clock::Real();
  while (clock.Now() < until) {
  }
}

WEIR_IN_STACKS void InjectedSleep(MonoTime until) {
  const Duration since = until.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  timespec deadline{};
  deadline.tv_sec = static_cast<time_t>(seconds.count());
  deadline.tv_nsec = static_cast<decltype(deadline.tv_nsec)>(
      Duration(since - seconds).count());
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, nullptr) ==
         EINTR) {
  }
}

void InjectStall(InjectedStall how, Duration duration) {
  const MonoTime until = Clock::Real().Now() + duration;
  how == InjectedStall::kCpu ? InjectedSpin(until) : InjectedSleep(until);
}

}  // namespace weir
