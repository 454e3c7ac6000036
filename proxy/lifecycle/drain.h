// Public. How the proxy stops: readiness first, then listeners, idle
// connections, active ones, and at the deadline what is left.

#ifndef PROXY_LIFECYCLE_DRAIN_H_
#define PROXY_LIFECYCLE_DRAIN_H_

#include <cstdint>
#include <functional>

#include "proxy/config/settings.h"
#include "proxy/observe/health.h"
#include "reactor/clock.h"
#include "reactor/mailbox.h"
#include "reactor/reactor.h"
#include "reactor/timer_wheel.h"

namespace weir {

// Control loop only.
class Drain final : private Timer {
 public:
  // What the steps do, on the control loop; each at most once, but
  // open_connections, which is asked until it says 0.
  struct Steps {
    // Accept what is queued, close the listeners, then call the argument.
    std::function<void(Task done)> stop_accepting;
    std::function<void()> end_idle;
    std::function<void()> end_all;
    // Connections that are open or on their way to a reactor.
    std::function<int64_t()> open_connections;
    // Nothing is left, or 1.5 s of grace after end_all are over: the process
    // exits with what is left.
    std::function<void()> finished;
  };

  // `control` and `health` outlive this.
  Drain(Reactor* control, Health* health, const DrainTimes& times, Steps steps);

  // Nothing if it has begun already.
  void Begin();
  bool begun() const { return begun_at_ != kNever; }
  // Since Begin().
  Duration elapsed() const { return control_->Now() - begun_at_; }

 private:
  void OnTimer() noexcept override;

  Reactor* const control_;
  Health* const health_;
  const DrainTimes times_;
  const Steps steps_;
  MonoTime begun_at_ = kNever;
  bool stopping_ = false;  // listeners were told
  bool stopped_ = false;   // and are closed
  bool forced_ = false;
};

}  // namespace weir

#endif  // PROXY_LIFECYCLE_DRAIN_H_
