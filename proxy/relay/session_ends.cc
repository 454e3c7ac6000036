// The ends of a session: abort, drain, close, and the move to another loop.

#include <errno.h>

#include <algorithm>
#include <utility>

#include "glog/logging.h"
#include "proxy/relay/session.h"
#include "reactor/socket.h"

namespace weir {
namespace {

// How often a send queue is looked at until it is empty: doubling, begun again
// when it shrinks.
constexpr std::chrono::duration<uint32_t, std::milli> kFirstFlushLook(1);
constexpr std::chrono::duration<uint32_t, std::milli> kLastFlushLook(256);

// What a drain gives each end.
constexpr Duration kDrainEnd = std::chrono::seconds(1);

}  // namespace

CloseReason Session::ReasonOf(const Transport& dead) const {
  const bool client = &dead == &client_;
  switch (dead.error()) {
    case ECONNRESET:
    case EPIPE:
    case ENOTCONN:  // shutdown() of a socket that was reset
    case ECONNABORTED:
      return client ? CloseReason::kClientReset : CloseReason::kUpstreamReset;
    default:
      return client ? CloseReason::kClientLost : CloseReason::kUpstreamLost;
  }
}

void Session::Abort(Transport* dead) {
  reason_ = ReasonOf(*dead);
  // What was meant for the dead has no reader. What it sent still has one, who
  // must not take the reset for an end.
  Pump& lost = dead == &client_ ? down_ : up_;
  Pump& kept = dead == &client_ ? up_ : down_;
  lost.Abandon(SiteOf(&lost));
  if (kept.end() == Pump::End::kFin) kept.StopReading();
  BeginAborting();
  Flush();
}

void Session::BeginAborting() {
  SetStage(Stage::kAborting);
  // This stage's patience counts from here: without an idle time-out, the last
  // progress may lie hours back.
  progress_at_ = looked_at_ = host_->reactor().Now();
  queues_ = {};
  flush_wait_ = {};
}

bool Session::Delivered(const Pump& pump, const Transport& target) {
  if (target.error() != 0) return true;
  if (pump.end() == Pump::End::kOpen || !pump.flushed()) return false;
  // A reset would destroy what the kernel has not sent (AF_UNIX has none, and
  // what is sent there has arrived).
  if (target.kind() != FdKind::kTcp) return true;
  Kernel& kernel = host_->reactor().kernel();
  const auto queue = static_cast<uint32_t>(target.SendQueue(kernel));
  if (queue == 0 && !(forward_->spec->fast_open && &target == &client_ &&
                      InHandshake(kernel, target.fd()))) {
    return true;
  }
  uint32_t& seen = queues_[&target == &client_ ? 0 : 1];
  const bool shrank = queue < seen;
  seen = queue;
  const MonoTime now = host_->reactor().Now();
  if (shrank) progress_at_ = now;
  flush_wait_ = shrank || flush_wait_.count() == 0
                    ? kFirstFlushLook
                    : std::min(flush_wait_ * 2u, kLastFlushLook);
  retry_at_ = std::min(retry_at_, now + flush_wait_);
  return false;
}

void Session::Flush() {
  Reactor& reactor = host_->reactor();
  RunPumps();
  // While flushing, the ends are watched for an error of their own.
  client_.TakeError(reactor.kernel());
  upstream_.TakeError(reactor.kernel());
  // Both are asked, for each sets its own next look.
  const bool up = Delivered(up_, upstream_);
  const bool down = Delivered(down_, client_);
  if (up && down) return Close(reason_, Farewell::kReset);
  ArmPump(up_, &client_, &upstream_);
  ArmPump(down_, &upstream_, &client_);
}

void Session::EndIdle() {
  DCHECK(stage_ == Stage::kRelaying);
  Kernel& kernel = host_->reactor().kernel();
  reason_ = CloseReason::kDrainIdle;
  draining_ = true;
  SetPaused(Side::kClient, false);
  SetPaused(Side::kUpstream, false);
  BeginAborting();
  deadline_ = progress_at_ + kDrainEnd;
  if (!down_.fin_sent()) client_.ShutdownWrite(kernel);
  if (!up_.fin_sent()) upstream_.ShutdownWrite(kernel);
  Drive();
}

void Session::Discard() {
  Reactor& reactor = host_->reactor();
  const std::pair<Pump*, Transport*> sources[] = {{&up_, &client_},
                                                  {&down_, &upstream_}};
  for (const auto& [pump, source] : sources) {
    const bool dropped = pump->Discard(SiteOf(pump), *source);
    dropped_ |= dropped;
    if (pump->end() != Pump::End::kOpen) continue;
    if (!source->readable()) {
      source->Arm(&reactor, kRead);
    } else if (dropped) {
      reactor.Enqueue(this);
    } else {
      retry_at_ = reactor.Now() + kRetry;
    }
  }
  if (client_.error() != 0 || upstream_.error() != 0) {
    return Close(reason_, Farewell::kReset);
  }
  if (up_.end() != Pump::End::kOpen && down_.end() != Pump::End::kOpen) {
    // Bytes that came too late were lost: a reset says so.
    return Close(reason_, dropped_ ? Farewell::kReset : Farewell::kFin);
  }
}

void Session::EndNow() {
  const MonoTime deadline = host_->reactor().Now() + kDrainEnd;
  switch (stage_) {
    case Stage::kClosed:
      return;
    case Stage::kAborting:  // on its way, for a reason of its own
      deadline_ = std::min(deadline_, deadline);
      return ArmTimer();
    case Stage::kPreface:
    case Stage::kWaiting:
    case Stage::kConnecting:
      return Close(CloseReason::kDrainForced, Farewell::kReset);
    case Stage::kRelaying:
      break;
  }
  reason_ = CloseReason::kDrainForced;
  deadline_ = deadline;
  up_.StopReading();
  down_.StopReading();
  BeginAborting();
  Drive();
}

bool Session::IdleSince(MonoTime since) const {
  if (stage_ != Stage::kRelaying || !up_.flushed() || !down_.flushed() ||
      up_.wants_write(client_) || down_.wants_write(upstream_) ||
      progress_at_ > since) {
    return false;
  }
  // What the kernel took from us is still a transfer while a slow peer reads.
  Kernel& kernel = host_->reactor().kernel();
  return client_.SendQueue(kernel) == 0 && upstream_.SendQueue(kernel) == 0;
}

void Session::Close(CloseReason reason, Farewell farewell) {
  Reactor& reactor = host_->reactor();
  reactor.Enter(CallbackKind::kClose, subject());
  host_->OnSessionClosing(*this, reason);
  up_.Abandon(SiteOf(&up_));
  down_.Abandon(SiteOf(&down_));
  client_.Close(&reactor, farewell == Farewell::kReset);
  upstream_.Close(&reactor, farewell == Farewell::kReset);
  reactor.Cancel(this);
  Runnable::Unlink();
  SetPaused(Side::kClient, false);
  SetPaused(Side::kUpstream, false);
  SetStage(Stage::kClosed);
  forward_->metrics->Closed(reason, reactor.Now() - opened_at_);
  host_->OnSessionClosed(this, reason);
}

void Session::Detach(absl::AnyInvocable<void(SessionState) &&> done) {
  DCHECK(stage_ != Stage::kClosed);
  // Shared by the two descriptors, which the kernel may let go of in any order.
  struct Leaving {
    SessionState state;
    absl::AnyInvocable<void(SessionState) &&> done;
    int descriptors;
  };
  auto leaving = std::make_shared<Leaving>();
  leaving->done = std::move(done);
  SessionState& state = leaving->state;
  state.id = id_;
  state.forward = forward_->index;
  state.client_name = client_name_;
  state.stage = stage_;
  state.client_kind = client_.kind();
  state.upstream_kind = upstream_.kind();
  state.client_error = client_.error();
  state.upstream_error = upstream_.error();
  up_.Disown(host_->pools());
  down_.Disown(host_->pools());
  state.up = std::move(up_);
  state.down = std::move(down_);
  state.connector = std::move(connector_);
  state.reason = reason_;
  state.ended = ended_;
  state.draining = draining_;
  state.dropped = dropped_;
  state.opened_at = opened_at_;
  state.deadline = deadline_;
  state.progress_at = progress_at_;
  state.connect_time = connect_time_;
  state.first_byte = first_byte_;

  Reactor* reactor = &host_->reactor();
  reactor->Cancel(this);
  Runnable::Unlink();
  SetPaused(Side::kClient, false);
  SetPaused(Side::kUpstream, false);
  SetStage(Stage::kClosed);
  // Before `done`, which may run below; the memory lives until the round ends.
  host_->OnSessionDetached(this);
  leaving->descriptors = upstream_.open() ? 2 : 1;
  const auto release = [&leaving](UniqueFd SessionState::*member) {
    return [leaving, member](UniqueFd fd) {
      leaving->state.*member = std::move(fd);
      if (--leaving->descriptors == 0) {
        std::move(leaving->done)(std::move(leaving->state));
      }
    };
  };
  if (upstream_.open()) {
    upstream_.Detach(reactor, release(&SessionState::upstream));
  }
  client_.Detach(reactor, release(&SessionState::client));
}

void Session::Attach(SessionState state) {
  up_ = std::move(state.up);
  down_ = std::move(state.down);
  up_.Adopt(host_->pools());
  down_.Adopt(host_->pools());
  connector_ = std::move(state.connector);
  reason_ = state.reason;
  ended_ = state.ended;
  draining_ = state.draining;
  dropped_ = state.dropped;
  opened_at_ = state.opened_at;
  deadline_ = state.deadline;
  progress_at_ = state.progress_at;
  connect_time_ = state.connect_time;
  first_byte_ = state.first_byte;
  SetStage(state.stage);

  // Readable and writable until the first call says otherwise: what happened
  // while nobody looked brings no event of its own.
  client_.Open(std::move(state.client), state.client_kind,
               Transport::Assume::kInUse);
  client_.set_error(state.client_error);
  bool registered = client_.Register(&host_->reactor()) == 0;
  if (state.upstream.valid()) {
    upstream_.Open(std::move(state.upstream), state.upstream_kind,
                   stage_ == Stage::kConnecting ? Transport::Assume::kConnecting
                                                : Transport::Assume::kInUse);
    upstream_.set_error(state.upstream_error);
    // It may have been put off.
    if (upstream_.kind() == FdKind::kTcp && forward_->spec->no_delay) {
      (void)SetNoDelay(host_->reactor().kernel(), upstream_.fd(), true);
    }
    registered &= upstream_.Register(&host_->reactor()) == 0;
  }
  if (!registered) return Close(CloseReason::kResources, Farewell::kReset);
  Drive();
}

}  // namespace weir
