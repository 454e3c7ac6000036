// The times of a session: its timer, its patience, what it looks at meanwhile.

#include <algorithm>
#include <chrono>

#include "proxy/relay/session.h"
#include "proxy/relay/stream_options.h"

namespace weir {
namespace {

// Sessions that are over by then (most, under load) are spared what only long
// ones need. Far less than the shortest keepalive time that finds anybody dead.
constexpr Duration kSettled = std::chrono::seconds(1);

}  // namespace

void Session::OnTimer() noexcept {
  host_->reactor().Describe(CallbackKind::kTimer, subject());
  const MonoTime now = host_->reactor().Now();
  if (now >= retry_at_) retry_at_ = kNever;
  if (now >= LifetimeEnd()) {
    return Close(CloseReason::kLifetime, Farewell::kReset);
  }
  if (now >= deadline_ && stage_ == Stage::kWaiting) {
    forward_->metrics->connects[Index(ConnectResult::kDns)].Add();
    host_->OnConnectFailed(*this);
    return Close(CloseReason::kDnsFailed, Farewell::kReset);
  }
  if (now >= deadline_ && stage_ == Stage::kAborting) {
    return Close(reason_,
                 draining_ && !dropped_ ? Farewell::kFin : Farewell::kReset);
  }
  if (stage_ == Stage::kConnecting && now >= connector_.due()) {
    size_t sent = 0;
    const Connector::Outcome outcome = connector_.Due(Site(&sent), &upstream_);
    Connected(outcome, sent);
    if (stage_ != Stage::kClosed) ArmTimer();
    return;
  }
  if (!settled_ && stage_ == Stage::kRelaying) Settle();
  if (!Look()) {
    return Close(stage_ == Stage::kAborting ? reason_
                 : ended_                   ? CloseReason::kHalfCloseTimeout
                                            : CloseReason::kIdleTimeout,
                 Farewell::kReset);
  }
  Drive();
}

void Session::Settle() {
  settled_ = true;
  if (upstream_.kind() != FdKind::kTcp) return;
  SetKeepAliveOptions(host_->reactor().kernel(), upstream_.fd(),
                      *forward_->spec);
}

Duration Session::Patience() const {
  const ForwardSpec& spec = *forward_->spec;
  switch (stage_) {
    case Stage::kRelaying:
      return ended_ ? std::min(spec.half_close_timeout, spec.idle_timeout)
                    : spec.idle_timeout;
    case Stage::kAborting:
      return spec.half_close_timeout;
    case Stage::kPreface:
    case Stage::kWaiting:
    case Stage::kConnecting:
    case Stage::kClosed:
      break;
  }
  return kForever;
}

// A peer that reads slowly drains our send queue long before the socket says
// that it is writable again: so a queue that shrank is progress too, and it is
// looked at four times in the time that it has.
bool Session::Look() {
  const Duration patience = Patience();
  if (patience == kForever) return true;
  Reactor& reactor = host_->reactor();
  const MonoTime now = reactor.Now();
  if (now < std::max(progress_at_, looked_at_) + patience / 4 &&
      now < progress_at_ + patience) {
    return true;
  }
  const Transport* transports[] = {&client_, &upstream_};
  for (size_t i = 0; i < queues_.size(); ++i) {
    const auto queue =
        static_cast<uint32_t>(transports[i]->SendQueue(reactor.kernel()));
    if (queue < queues_[i]) progress_at_ = now;
    queues_[i] = queue;
  }
  looked_at_ = now;
  return now < progress_at_ + patience;
}

MonoTime Session::LifetimeEnd() const {
  const Duration lifetime = forward_->spec->lifetime;
  return lifetime == kForever ? kNever : opened_at_ + lifetime;
}

void Session::ArmTimer() {
  MonoTime due = std::min({LifetimeEnd(), deadline_, retry_at_});
  if (stage_ == Stage::kConnecting) due = std::min(due, connector_.due());
  if (stage_ == Stage::kRelaying && !settled_) {
    due = std::min(due, opened_at_ + kSettled);
  }
  if (const Duration patience = Patience(); patience != kForever) {
    due = std::min({due, progress_at_ + patience,
                    std::max(progress_at_, looked_at_) + patience / 4});
  }
  // Lazily: a timer that fires too early looks and goes back to sleep, which is
  // cheaper than moving it with every byte.
  if (due < deadline()) host_->reactor().Schedule(this, due);
}

}  // namespace weir
