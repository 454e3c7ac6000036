#include "reactor/clock.h"

#include <pthread.h>
#include <time.h>

namespace weir {
namespace {

class RealClock final : public Clock {
 public:
  MonoTime Now() override {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return MonoTime(std::chrono::seconds(t.tv_sec) + Duration(t.tv_nsec));
  }

  int64_t WallNanos() override {
    timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
  }
};

}  // namespace

Clock& Clock::Real() {
  static RealClock& clock = *new RealClock;
  return clock;
}

ThreadCpuClock ThreadCpuClock::OfThisThread() {
  clockid_t id = CLOCK_THREAD_CPUTIME_ID;
  pthread_getcpuclockid(pthread_self(), &id);  // cannot fail: it is alive
  return ThreadCpuClock(id);
}

std::optional<Duration> ThreadCpuClock::Now() const {
  timespec t;
  if (clock_gettime(id_, &t) != 0) return std::nullopt;
  return std::chrono::seconds(t.tv_sec) + Duration(t.tv_nsec);
}

}  // namespace weir
