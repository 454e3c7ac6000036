#include "proxy/relay/session.h"

#include <algorithm>
#include <utility>

#include "proxy/relay/stream_options.h"
#include "reactor/socket.h"

namespace weir {
namespace {

// An idle session must stay small: tens of thousands wait in a gateway.
static_assert(sizeof(Session) <= 424);

}  // namespace

Session::Session(SessionHost* host, ForwardState* forward, uint64_t id,
                 const PeerName& client_name, MonoTime accepted_at)
    : host_(host), forward_(forward), id_(id), client_name_(client_name) {
  progress_at_ = looked_at_ = host_->reactor().Now();
  // Another loop's clock may have been read after the last wait of this one.
  opened_at_ = std::min(accepted_at, progress_at_);
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
  // What a hand-off took is not taken from it.
  deadline_ = progress_at_ + spec.connect_timeout;
  SetStage(Stage::kWaiting);
  if (kind == FdKind::kUnix) {
    SetKeyedOptions(host_->reactor().kernel(), client.get(), /*tcp=*/false,
                    spec);
  }
  client_.Open(std::move(client), kind, Transport::Assume::kConnected);
  if (client_.Register(&host_->reactor()) != 0) {
    return Close(CloseReason::kResources, Farewell::kReset);
  }
  Drive();
}

Connector::Site Session::Site(size_t* first_sent) {
  return {.reactor = &host_->reactor(),
          .forward = forward_->spec,
          .metrics = forward_->metrics,
          .deadline = deadline_,
          .local_ports = host_->local_ports(),
          .verify = host_->verify_connects(),
          .first = up_.pending(),
          .first_sent = first_sent};
}

bool Session::OnAddresses() {
  if (stage_ != Stage::kWaiting) return false;
  Drive();
  return true;
}

void Session::OnTransportReady(Transport*) noexcept {
  // A session whose turn is queued has had its share of this round; the
  // transport remembers what the event said.
  Describe();
  if (Runnable::linked()) return;
  // A small message must not wait for what bulk streams have before them in the
  // same batch of events.
  if ((up_.bulk() && up_.HasWork(client_, upstream_)) ||
      (down_.bulk() && down_.HasWork(upstream_, client_))) {
    return host_->reactor().Enqueue(this);
  }
  Drive();
}

void Session::Run() noexcept {
  Describe();
  Drive();
}

void Session::Describe() const {
  const bool connecting =
      stage_ == Stage::kWaiting || stage_ == Stage::kConnecting;
  host_->reactor().Describe(connecting ? CallbackKind::kConnect
                            : path() == RelayPath::kSplice
                                ? CallbackKind::kSplice
                                : CallbackKind::kRelay,
                            subject());
}

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
    case Stage::kPreface:  // not there yet
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
  ReadEarly();
  if (client_.error() != 0) {
    return Close(ReasonOf(client_), Farewell::kReset);
  }
  SetStage(Stage::kConnecting);
  progress_at_ = host_->reactor().Now();
  // This may be the callback of a listener, a hand-off or a list of addresses.
  host_->reactor().Enter(CallbackKind::kConnect, subject());
  size_t sent = 0;
  const Connector::Outcome outcome =
      connector_.Start(Site(&sent), forward_->addresses, &upstream_);
  Connected(outcome, sent);
}

void Session::ReadEarly() {
  // What it leaves in the socket brings an event: the client was registered
  // before, and no event of it was seen since the bytes came.
  if (client_.kind() != FdKind::kTcp || !forward_->early_reads.Wanted()) return;
  forward_->early_reads.Saw(up_.Prime(SiteOf(&up_), client_));
}

void Session::Connect() {
  client_.TakeError(host_->reactor().kernel());
  if (client_.error() != 0) {
    return Close(ReasonOf(client_), Farewell::kReset);
  }
  size_t sent = 0;
  const Connector::Outcome outcome = connector_.Ready(Site(&sent), &upstream_);
  Connected(outcome, sent);
}

void Session::Connected(Connector::Outcome outcome, size_t first_sent) {
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
      looked_at_ = host_->reactor().Now();
      connect_time_ = BriefDuration(looked_at_ - progress_at_);
      forward_->metrics->connect_time.Observe(
          (looked_at_ - progress_at_).count());
      progress_at_ = looked_at_;
      host_->OnSessionOpen(*this);
      if (first_sent > 0) up_.Sent(SiteOf(&up_), first_sent);
      return Relay();
  }
}

Pump::Site Session::SiteOf(const Pump* pump) const {
  ForwardShard& metrics = *forward_->metrics;
  const size_t from = Index(pump == &up_ ? Side::kClient : Side::kUpstream);
  return {
      .kernel = &host_->reactor().kernel(),
      .pools = &host_->pools(),
      .counters = {&metrics.received[from], &metrics.sent[1 - from],
                   &metrics.discarded[from], forward_->worker->relayed.data()},
      .splice = forward_->spec->splice};
}

void Session::RunPump(Pump* pump, Transport* source, Transport* target) {
  // Most events are of one direction alone.
  if (!pump->HasWork(*source, *target)) return;
  Reactor& reactor = host_->reactor();
  const uint64_t before = pump->bytes() + pump->buffered();
  const Pump& other = pump == &up_ ? down_ : up_;
  switch (pump->Run(SiteOf(pump), *source, *target, other.fin_sent())) {
    case Pump::Outcome::kWaiting:
      break;
    case Pump::Outcome::kYielded:
      reactor.Enqueue(this);
      break;
    case Pump::Outcome::kStarved:
      retry_at_ = reactor.Now() + kRetry;
      break;
  }
  const bool moved = pump->bytes() + pump->buffered() != before;
  if (moved && before == 0 && pump == &down_) {
    const Duration after = reactor.Now() - opened_at_;
    first_byte_ = BriefDuration(after);
    forward_->metrics->first_byte.Observe(after.count());
  }
  if (moved) progress_at_ = reactor.Now();
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
  const bool blocked = pump.wants_write(*source) && !target->writable();
  if (blocked) target->Arm(reactor, kWrite);
  SetPaused(source == &client_ ? Side::kClient : Side::kUpstream, blocked);
  if (pump.wants_read() && !source->readable()) {
    source->Arm(reactor, kRead);
  } else {
    source->Arm(reactor, kHangup);
  }
}

void Session::SetPaused(Side side, bool paused) {
  const uint8_t bit = side == Side::kClient ? 1 : 2;
  if (((paused_ & bit) != 0) == paused) return;
  paused_ ^= bit;
  ForwardShard& metrics = *forward_->metrics;
  const int64_t now = host_->reactor().Now().time_since_epoch().count();
  if (paused) {
    metrics.pauses[Index(side)].Add();
    metrics.paused[Index(side)].Enter(now);
  } else {
    metrics.paused[Index(side)].Leave(now);
  }
}

std::optional<uint32_t> Session::Retransmits(Side side) const {
  const Transport& transport = side == Side::kClient ? client_ : upstream_;
  if (!transport.open() || transport.kind() != FdKind::kTcp) return {};
  return GetRetransmits(host_->reactor().kernel(), transport.fd());
}

SessionInfo Session::Info() const {
  SessionInfo info;
  info.id = id_;
  info.forward = forward_->index;
  info.stage = stage_;
  info.client = client_name_;
  if (const Address* address = connector_.address()) info.upstream = *address;
  info.opened_at = opened_at_;
  info.progress_at = progress_at_;
  info.bytes_up = up_.bytes();
  info.bytes_down = down_.bytes();
  info.buffered_up = up_.buffered();
  info.buffered_down = down_.buffered();
  info.path = path();
  return info;
}

}  // namespace weir
