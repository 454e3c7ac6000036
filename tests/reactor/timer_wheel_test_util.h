// For the tests of the timer wheel.

#ifndef TESTS_REACTOR_TIMER_WHEEL_TEST_UTIL_H_
#define TESTS_REACTOR_TIMER_WHEEL_TEST_UTIL_H_

#include <functional>
#include <utility>

#include "reactor/clock.h"
#include "reactor/timer_wheel.h"

namespace weir {

// Not on a tick, and not zero: both have hidden mistakes before.
inline constexpr MonoTime kStart{Duration(1'234'567'891)};

class FakeTimer final : public Timer {
 public:
  explicit FakeTimer(std::function<void()> on_timer)
      : on_timer_(std::move(on_timer)) {}

 private:
  void OnTimer() noexcept override {
    // The callback may destroy this object, and its function with it.
    const std::function<void()> on_timer = on_timer_;
    on_timer();
  }

  std::function<void()> on_timer_;
};

}  // namespace weir

#endif  // TESTS_REACTOR_TIMER_WHEEL_TEST_UTIL_H_
