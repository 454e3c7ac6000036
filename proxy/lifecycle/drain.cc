#include "proxy/lifecycle/drain.h"

#include <chrono>
#include <utility>

namespace weir {
namespace {

// How often the end is looked for: only while a drain runs.
constexpr Duration kLook = std::chrono::milliseconds(10);

// After the deadline: a second to flush, and a little to reset.
constexpr Duration kGrace = std::chrono::milliseconds(1500);

}  // namespace

Drain::Drain(Reactor* control, Health* health, const DrainTimes& times,
             Steps steps)
    : control_(control),
      health_(health),
      times_(times),
      steps_(std::move(steps)) {}

void Drain::Begin() {
  if (begun()) return;
  begun_at_ = control_->Now();
  health_->Set(Health::Phase::kDraining);
  OnTimer();
}

void Drain::OnTimer() noexcept {
  const Duration since = elapsed();
  if (!stopping_ && since >= times_.delay) {
    stopping_ = true;
    steps_.stop_accepting([this] {
      stopped_ = true;
      steps_.end_idle();
    });
  }
  if (!forced_ && since >= times_.timeout) {
    forced_ = true;
    steps_.end_all();
  }
  if ((stopped_ && steps_.open_connections() == 0) ||
      since >= times_.timeout + kGrace) {
    return steps_.finished();
  }
  control_->Schedule(this, control_->Now() + kLook);
}

}  // namespace weir
