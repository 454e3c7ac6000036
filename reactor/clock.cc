#include "reactor/clock.h"

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

}  // namespace weir
