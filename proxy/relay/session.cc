#include "proxy/relay/session.h"

#include <algorithm>
#include <utility>

#include "proxy/relay/stream_options.h"

namespace weir {
namespace {

// Sessions that are over by then (most, under load) are spared what only long
// ones need. Far less than the shortest keepalive time that finds anybody dead.
constexpr Duration kSettled = std::chrono::seconds(1);

// An idle session must stay small: tens of thousands wait in a gateway.
static_assert(sizeof(Session) <= 424);

}  // namespace

Session::Session(SessionHost* host, ForwardState* forward, uint64_t id,
                 const PeerName& client_name)
    : host_(host), forward_(forward), id_(id), client_name_(client_name) {
  opened_at_ = progress_at_ = looked_at_ = host_->reactor().Now();
}

void Session::SetStage(Stage stage) {
  if (stage_ != Stage::kClosed) {
    forward_->metrics->active[Index(stage_)].Add(-1);
  }
  stage_ = stage;
  if (stage_ != Stage::kClosed) {
    forward_->metrics->active[Index(stage_)].Add(1);
  }
}

void Session::Start(UniqueFd client, FdKind kind) {
  const ForwardSpec& spec = *forward_->spec;
  deadline_ = opened_at_ + spec.connect_timeout;
  if (spec.lifetime != kForever) lifetime_at_ = opened_at_ + spec.lifetime;
  SetStage(Stage::kWaiting);
  client_.Open(std::move(client), kind, Transport::Assume::kConnected);
  if (client_.Register(&host_->reactor()) != 0) {
    return Close(CloseReason::kResources, Farewell::kReset);
  }
  Drive();
}

Connector::Site Session::Site() {
  return {.reactor = &host_->reactor(),
          .forward = forward_->spec,
          .metrics = forward_->metrics,
          .deadline = deadline_,
          .local_ports = host_->local_ports(),
          .verify = host_->verify_connects()};
}

void Session::OnAddresses() {
  if (stage_ == Stage::kWaiting) Drive();
}

void Session::OnTransportReady(Transport*) noexcept {
  // A session whose turn is queued has had its share of this round; the
  // transport remembers what the event said.
  if (!Runnable::linked()) Drive();
}

void Session::Run() noexcept { Drive(); }

void Session::Drive() {
  switch (stage_) {
    case Stage::kWaiting:
      Wait();
      break;
    case Stage::kConnecting:
      Connect();
      break;
    case Stage::kRelaying:
      Relay();
      break;
    case Stage::kAborting:
      draining_ ? Discard() : Flush();
      break;
    case Stage::kClosed:
      return;
  }
  if (stage_ != Stage::kClosed) ArmTimer();
}

void Session::Wait() {
  // Bytes and a FIN of the client wait in its socket; only its reset is asked
  // for.
  client_.TakeError(host_->reactor().kernel());
  if (client_.error() != 0) {
    return Close(ReasonOf(client_), Farewell::kReset);
  }
  if (forward_->addresses->generation == 0) {
    return client_.Arm(&host_->reactor(), kHangup);
  }
  if (forward_->addresses->addresses.empty()) {
    forward_->metrics->connects[Index(ConnectResult::kDns)].Add();
    host_->OnConnectFailed(*this);
    return Close(CloseReason::kDnsFailed, Farewell::kReset);
  }
  SetStage(Stage::kConnecting);
  Connected(connector_.Start(Site(), forward_->addresses, &upstream_));
}

void Session::Connect() {
  client_.TakeError(host_->reactor().kernel());
  if (client_.error() != 0) {
    return Close(ReasonOf(client_), Farewell::kReset);
  }
  Connected(connector_.Ready(Site(), &upstream_));
}

void Session::Connected(Connector::Outcome outcome) {
  switch (outcome) {
    case Connector::Outcome::kPending:
      client_.Arm(&host_->reactor(), kHangup);
      return;
    case Connector::Outcome::kFailed:
      host_->OnConnectFailed(*this);
      return Close(CloseReasonOf(connector_.result()), Farewell::kReset);
    case Connector::Outcome::kConnected:
      SetStage(Stage::kRelaying);
      deadline_ = kNever;
      progress_at_ = looked_at_ = host_->reactor().Now();
      host_->OnSessionOpen(*this);
      return Relay();
  }
}

Pump::Counters Session::CountersOf(const Pump* pump) const {
  ForwardShard& metrics = *forward_->metrics;
  const size_t from = Index(pump == &up_ ? Side::kClient : Side::kUpstream);
  return {&metrics.received[from], &metrics.sent[1 - from],
          &metrics.discarded[from]};
}

void Session::RunPump(Pump* pump, Transport* source, Transport* target) {
  Reactor& reactor = host_->reactor();
  const uint64_t before = pump->bytes() + pump->buffered();
  const Pump& other = pump == &up_ ? down_ : up_;
  switch (pump->Run(reactor.kernel(), host_->buffers(), *source, *target,
                    CountersOf(pump), other.fin_sent())) {
    case Pump::Outcome::kWaiting:
      break;
    case Pump::Outcome::kYielded:
      reactor.Enqueue(this);
      break;
    case Pump::Outcome::kStarved:
      retry_at_ = reactor.Now() + kRetry;
      break;
  }
  if (pump->bytes() + pump->buffered() != before) progress_at_ = reactor.Now();
}

void Session::RunPumps() {
  RunPump(&up_, &client_, &upstream_);
  RunPump(&down_, &upstream_, &client_);
}

void Session::Relay() {
  RunPumps();
  if (!ended_ &&
      (up_.end() == Pump::End::kFin || down_.end() == Pump::End::kFin)) {
    // From here on the half-close timer counts.
    ended_ = true;
    reason_ = up_.end() == Pump::End::kFin ? CloseReason::kClientFin
                                           : CloseReason::kUpstreamFin;
    progress_at_ = looked_at_ = host_->reactor().Now();
  }
  if (up_.fin_sent() && down_.fin_sent() && client_.error() == 0 &&
      upstream_.error() == 0) {
    return Close(reason_, Farewell::kFin);
  }
  // A reset behind bytes that nobody can read now must still end the session.
  Kernel& kernel = host_->reactor().kernel();
  if (!up_.CanRead(client_, upstream_)) client_.TakeError(kernel);
  if (!down_.CanRead(upstream_, client_)) upstream_.TakeError(kernel);
  if (client_.error() != 0) return Abort(&client_);
  if (upstream_.error() != 0) return Abort(&upstream_);
  ArmPump(up_, &client_, &upstream_);
  ArmPump(down_, &upstream_, &client_);
}

void Session::ArmPump(const Pump& pump, Transport* source, Transport* target) {
  Reactor* reactor = &host_->reactor();
  // A direction that can go on has its turn queued or a retry set.
  if (pump.wants_write(*source) && !target->writable()) {
    target->Arm(reactor, kWrite);
  }
  if (pump.wants_read() && !source->readable()) {
    source->Arm(reactor, kRead);
  } else {
    source->Arm(reactor, kHangup);
  }
}

void Session::OnTimer() noexcept {
  const MonoTime now = host_->reactor().Now();
  if (now >= retry_at_) retry_at_ = kNever;
  if (now >= lifetime_at_) {
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
    Connected(connector_.Due(Site(), &upstream_));
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

void Session::ArmTimer() {
  MonoTime due = std::min({lifetime_at_, deadline_, retry_at_});
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
