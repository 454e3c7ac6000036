#include "proxy/relay/acceptor.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "glog/logging.h"

namespace weir {
namespace {

constexpr Duration kFirstPause = std::chrono::milliseconds(10);
constexpr Duration kLongestPause = std::chrono::milliseconds(100);

// What Stop() takes at most of a queue.
constexpr int kLastBatch = 4096;

// After so many events in a row that brought as many as they may, there are
// likely to be more. (One call in so many more is for nothing.)
constexpr int kFullInRow = 8;

}  // namespace

Acceptor::Acceptor(AcceptorHost* host, size_t forward, int fd, FdKind kind)
    : host_(host),
      forward_(forward),
      fd_(fd),
      kind_(kind),
      delay_(kFirstPause) {}

void Acceptor::Start() {
  DCHECK(state_ == State::kStopped);
  Listen();
}

void Acceptor::Listen() {
  const Reactor::Registration registration =
      host_->reactor().Register(fd_, FdKind::kSharedListener, this);
  handle_ = registration.handle;
  state_ = State::kListening;
  if (registration.error != 0) return Pause(registration.error);
  host_->reactor().Arm(handle_, kRead);
}

void Acceptor::OnReady(Ready) noexcept {
  host_->reactor().Describe(CallbackKind::kAccept, subject());
  if (!AcceptBatch(usual_, kBatch)) return;
  if (++full_in_row_ >= kFullInRow) usual_ = std::min(usual_ * 2, kBatch);
}

bool Acceptor::AcceptBatch(int enough, int limit) {
  int accepted = 0;
  // What a connection leads to may pause this acceptor.
  for (int i = 0; i < limit && state_ == State::kListening; ++i) {
    if (accepted == enough) {
      delay_ = kFirstPause;
      return true;
    }
    // Admitted before the descriptor exists.
    if (!host_->admission().TryAcquire()) {
      // Counted when the limit is met, not at each look whether it still is.
      if (!at_limit_) host_->accept_metrics().Count(AcceptError::kLimit);
      Pause(0);
      return false;
    }
    sockaddr_storage storage;
    socklen_t size = sizeof(storage);
    auto* const address = reinterpret_cast<sockaddr*>(&storage);
    const SysResult r = host_->reactor().kernel().Accept(
        fd_, address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (!r.ok()) {
      host_->admission().Release();
      if (r.error == EAGAIN) {
        delay_ = kFirstPause;
        usual_ = std::clamp(accepted, 1, kBatch);
        full_in_row_ = 0;
        return false;
      }
      if (!Survive(r.error)) return false;
      continue;
    }
    ++accepted;
    // The one before it is another matter: connecting, or even its end.
    if (i > 0) host_->reactor().Enter(CallbackKind::kAccept, subject());
    at_limit_ = false;
    host_->OnAccepted(
        forward_,
        UniqueFd(static_cast<int>(r.value), host_->reactor().kernel()), kind_,
        Address::FromSockaddr(address, size));
  }
  return accepted == enough;
}

bool Acceptor::Survive(int error) {
  AcceptMetrics& metrics = host_->accept_metrics();
  switch (error) {
    case EMFILE:
    case ENFILE:
      metrics.Count(AcceptError::kDescriptors);
      Pause(error);
      return false;
    case ENOBUFS:
    case ENOMEM:
      metrics.Count(AcceptError::kMemory);
      Pause(error);
      return false;
    // The connection that was next is dead. Linux hands errors of the network
    // on as well (accept(2)).
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
    case EPERM:
    case ENOSR:
    case ESOCKTNOSUPPORT:
    case EPROTONOSUPPORT:
      metrics.Count(AcceptError::kAborted);
      return true;
    default:
      // EBADF, EFAULT, ENOTSOCK: a bug of ours. EINVAL: it listens no more.
      LOG_IF(DFATAL, error != EINVAL) << "accept failed with errno " << error;
      metrics.Count(AcceptError::kOther);
      host_->OnAcceptPaused(forward_, error);
      Stop(nullptr);
      return false;
  }
}

void Acceptor::Pause(int error) {
  if (state_ != State::kListening) return;
  if (error != 0 || !at_limit_) host_->OnAcceptPaused(forward_, error);
  at_limit_ = error == 0;
  Reactor& reactor = host_->reactor();
  reactor.Schedule(this, reactor.Now() + delay_);
  delay_ = std::min(delay_ * 2, kLongestPause);
  state_ = State::kLeaving;
  if (handle_ == Handle::kNone) return Left();
  reactor.Unregister(std::exchange(handle_, Handle::kNone), [this] { Left(); });
}

void Acceptor::OnTimer() noexcept {
  if (state_ != State::kPaused) return;
  host_->reactor().Describe(CallbackKind::kAccept, subject());
  Listen();
  // At once, for the wait may have left a full backlog.
  if (state_ == State::kListening) AcceptBatch(kBatch, kBatch);
}

void Acceptor::OnRoom() {
  if (state_ == State::kPaused && at_limit_) {
    host_->reactor().Schedule(this, MonoTime());
  }
}

void Acceptor::Stop(Task done) {
  // What clients completed before now is served, also when a pause kept them
  // waiting and there is room by now; bounded, for others may come.
  if (done && state_ == State::kPaused) Listen();
  if (done && state_ == State::kListening) AcceptBatch(kLastBatch, kLastBatch);
  host_->reactor().Cancel(this);
  stopped_ = std::move(done);
  // A pause that the poller has not finished ends in Left().
  if (std::exchange(state_, State::kStopped) == State::kLeaving) return;
  if (handle_ == Handle::kNone) return Left();
  host_->reactor().Unregister(std::exchange(handle_, Handle::kNone),
                              [this] { Left(); });
}

void Acceptor::TakeQueue() {
  DCHECK(state_ == State::kStopped && handle_ == Handle::kNone);
  state_ = State::kListening;
  AcceptBatch(kLastBatch, kLastBatch);
  // (A pause has nothing to leave and no time to come back.)
  state_ = State::kStopped;
  host_->reactor().Cancel(this);
}

void Acceptor::Left() {
  if (state_ == State::kStopped) {
    if (stopped_) std::exchange(stopped_, nullptr)();
    return;
  }
  state_ = State::kPaused;
  // The timer may have come while the poller still held on.
  if (!scheduled()) OnTimer();
}

}  // namespace weir
