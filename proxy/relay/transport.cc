#include "proxy/relay/transport.h"

#include <errno.h>
#include <sys/socket.h>

#include <utility>

#include "glog/logging.h"
#include "reactor/socket.h"

namespace weir {

void Transport::Open(UniqueFd fd, FdKind kind, Assume assume) {
  DCHECK(!open());
  fd_ = std::move(fd);
  kind_ = kind;
  readable_ = assume == Assume::kInUse;
  writable_ = assume != Assume::kConnecting;
}

int Transport::Register(Reactor* reactor) {
  const Reactor::Registration registration =
      reactor->Register(fd_.get(), kind_, this);
  handle_ = registration.handle;
  return registration.error;
}

void Transport::Close(Reactor* reactor, bool reset) {
  if (!open()) return;
  if (reset && kind_ == FdKind::kTcp) {
    (void)SetLingerZero(reactor->kernel(), fd_.get());
  }
  readable_ = writable_ = eof_ = ended_ = ended_checked_ = urgent_ = false;
  unproven_ = false;
  no_delay_put_off_ = sent_ = false;
  armed_ = 0;
  if (handle_ == Handle::kNone) return fd_.Reset();
  reactor->Close(std::exchange(handle_, Handle::kNone), std::move(fd_));
}

void Transport::Detach(Reactor* reactor,
                       absl::AnyInvocable<void(UniqueFd) &&> done) {
  DCHECK(handle_ != Handle::kNone);
  armed_ = 0;
  reactor->Unregister(std::exchange(handle_, Handle::kNone),
                      [fd = std::move(fd_), done = std::move(done)]() mutable {
                        std::move(done)(std::move(fd));
                      });
}

Transport::IoResult Transport::Failed(int error) {
  switch (error) {
    case EAGAIN:
      return {Io::kBlocked};
    case ENOBUFS:
    case ENOMEM:
      return {Io::kStarved};
    default:
      set_error(error);
      return {Io::kFailed};
  }
}

void Transport::Short() {
  // On TCP a short read means that the queue is drained, and new bytes bring a
  // new event: this saves the call that would only return EAGAIN. Not so with a
  // FIN, an urgent mark or an AF_UNIX boundary behind what was read: with edge
  // trigger no further event comes for those.
  if (kind_ == FdKind::kTcp && !eof_ && !ended_ && !urgent_) readable_ = false;
}

Transport::IoResult Transport::Read(Kernel& kernel, char* data, size_t size,
                                    bool peek) {
  const SysResult r = kernel.Recv(fd_.get(), data, size, peek ? MSG_PEEK : 0);
  if (r.ok() && r.value == 0) {
    readable_ = false;
    return {Io::kEnd};
  }
  if (r.ok()) {
    unproven_ = false;
    const size_t bytes = static_cast<size_t>(r.value);
    // What was only seen is still there.
    if (bytes < size && !peek) Short();
    return {Io::kMoved, bytes};
  }
  if (r.error == EAGAIN) urgent_ = false;  // the mark was passed
  const IoResult result = Failed(r.error);
  if (result.io != Io::kStarved) readable_ = false;
  return result;
}

Transport::IoResult Transport::Write(Kernel& kernel, const char* data,
                                     size_t size) {
  size_t written = 0;
  while (written < size) {
    BeforeSend(kernel);
    const SysResult r =
        kernel.Send(fd_.get(), data + written, size - written, 0);
    if (!r.ok()) {
      // Only EAGAIN says that the queue is full, and only then does an
      // edge-triggered poller tell when it is not: a short send tries again.
      IoResult result = Failed(r.error);
      if (result.io != Io::kStarved) writable_ = false;
      result.bytes = written;
      return result;
    }
    written += static_cast<size_t>(r.value);
    sent_ = true;
  }
  return {Io::kMoved, written};
}

Transport::IoResult Transport::SpliceFailed(int error) {
  switch (error) {
    // Of the call, not of the socket: never stored.
    case EINVAL:
    case ENOSYS:
    case EPERM:
      return {Io::kRefused};
    default:
      return Failed(error);
  }
}

Transport::IoResult Transport::ReadInto(Kernel& kernel, PipePool& pool,
                                        Pipe* pipe, size_t size) {
  DCHECK(pipe->empty());
  const SysResult r = kernel.Splice(fd_.get(), pipe->write_end(), size);
  if (r.ok() && r.value > 0) {
    // Short or not: a splice also stops where the pipe has no slot left.
    unproven_ = false;
    pool.Filled(pipe, static_cast<size_t>(r.value));
    return {Io::kMoved, static_cast<size_t>(r.value)};
  }
  if (r.ok()) return {Io::kUnsure};
  // At an urgent mark it is EAGAIN for ever. Not every poller tells of the
  // mark, but then one says readable and not a byte comes.
  if (r.error == EAGAIN && (urgent_ || unproven_)) return {Io::kUnsure};
  const IoResult result = SpliceFailed(r.error);
  if (result.io == Io::kFailed) return {Io::kUnsure};
  if (result.io == Io::kBlocked) readable_ = false;
  return result;
}

Transport::IoResult Transport::WriteFrom(Kernel& kernel, PipePool& pool,
                                         Pipe* pipe) {
  size_t written = 0;
  while (!pipe->empty()) {
    BeforeSend(kernel);
    const SysResult r =
        kernel.Splice(pipe->read_end(), fd_.get(), pipe->size());
    if (!r.ok()) {
      IoResult result = SpliceFailed(r.error);
      if (result.io == Io::kBlocked || result.io == Io::kFailed) {
        writable_ = false;
      }
      result.bytes = written;
      return result;
    }
    // Never seen of a pipe with bytes in it, and asked again it would be a
    // loop without an end.
    if (r.value == 0) return {Io::kStarved, written};
    sent_ = true;
    pool.Drained(pipe, static_cast<size_t>(r.value));
    written += static_cast<size_t>(r.value);
  }
  return {Io::kMoved, written};
}

void Transport::TakeUpNoDelay(Kernel& kernel) {
  if (!sent_) return;
  no_delay_put_off_ = false;
  (void)SetNoDelay(kernel, fd_.get(), true);  // it works without
}

void Transport::ShutdownWrite(Kernel& kernel) {
  const SysResult r = kernel.Shutdown(fd_.get(), SHUT_WR);
  if (!r.ok()) set_error(r.error);
}

void Transport::TakeError(Kernel& kernel) {
  if (!ended_ || ended_checked_) return;
  ended_checked_ = true;
  if (const int error = TakeSocketError(kernel, fd_.get()); error != 0) {
    set_error(error);
  }
}

int64_t Transport::SendQueue(Kernel& kernel) const {
  const SysResult r = kernel.SendQueue(fd_.get());
  return r.ok() ? r.value : 0;
}

void Transport::Arm(Reactor* reactor, Interest interest) {
  // It has hung up, and poll would say so again each round.
  if (ended_) interest &= static_cast<Interest>(~kHangup);
  const Interest missing = interest & static_cast<Interest>(~armed_);
  if (missing == 0) return;
  armed_ |= missing;
  reactor->Arm(handle_, missing);
}

void Transport::OnReady(Ready ready) noexcept {
  // Registering reports what holds, which for a connected socket is known.
  if (ready == kWritable && writable_) {
    armed_ &= static_cast<Interest>(~kWrite);
    return;
  }
  if ((ready & (kReadable | kEof | kUrgent)) != 0) {
    armed_ &= static_cast<Interest>(~kRead);
    readable_ = unproven_ = true;
  }
  if ((ready & kWritable) != 0) {
    armed_ &= static_cast<Interest>(~kWrite);
    writable_ = true;
  }
  if ((ready & kEof) != 0) eof_ = true;
  if ((ready & kUrgent) != 0) urgent_ = true;
  if ((ready & kEnded) != 0) {
    armed_ = 0;
    // Both directions may find out what happened.
    readable_ = writable_ = true;
    ended_ = true;
    ended_checked_ = false;
  }
  observer_->OnTransportReady(this);
}

}  // namespace weir
