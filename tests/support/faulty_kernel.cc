#include "tests/support/faulty_kernel.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>

#include <algorithm>

namespace weir {
namespace {

// Out of a hundred calls.
constexpr int kStarvedPercent = 8;
constexpr int kShortPercent = 50;
constexpr int kAbortedPercent = 30;
constexpr int kInterruptedPercent = 50;

bool IsUnix(Kernel& kernel, int fd) {
  int domain = AF_UNSPEC;
  socklen_t size = sizeof(domain);
  kernel.GetSockOpt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
  return domain == AF_UNIX;
}

bool IsSocket(int fd) {
  struct stat status = {};
  return ::fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
}

bool Connected(int fd) {
  tcp_info info{};
  socklen_t size = sizeof(info);
  ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size);
  const int state = info.tcpi_state;
  return state != TCP_CLOSE && state != TCP_SYN_SENT && state != TCP_SYN_RECV;
}

}  // namespace

void FaultyKernel::Heal() {
  faults_.clear();
  noisy_ = false;
  send_limit_ = unix_read_limit_ = SIZE_MAX;
}

void FaultyKernel::MakeNoise(uint64_t seed) {
  noisy_ = true;
  random_.seed(seed);
}

bool FaultyKernel::Chance(int percent) {
  return static_cast<int>(random_() % 100) < percent;
}

uint64_t FaultyKernel::calls(Call call) const {
  return by_call_[static_cast<size_t>(call)];
}

uint64_t FaultyKernel::calls(Call call, int fd) const {
  const auto it = by_fd_.find({call, fd});
  return it == by_fd_.end() ? 0 : it->second;
}

uint64_t FaultyKernel::error_reads(int fd) const {
  const auto it = error_reads_.find(fd);
  return it == error_reads_.end() ? 0 : it->second;
}

int FaultyKernel::Noise(Call call) {
  switch (call) {
    case Call::kRecv:
    case Call::kSend:
    case Call::kSpliceIn:
    case Call::kSpliceOut:
      if (!Chance(kStarvedPercent)) return 0;
      return Chance(50) ? ENOBUFS : ENOMEM;
    case Call::kAccept:
      return Chance(kAbortedPercent) ? ECONNABORTED : 0;
    default:
      return 0;
  }
}

const Fault* FaultyKernel::Strike(Call call, int fd) {
  for (Fault& fault : faults_) {
    if (fault.call != call || fault.count == 0) continue;
    if (fault.fd >= 0 && fault.fd != fd) continue;
    if (fault.skip > 0) {
      --fault.skip;
      continue;
    }
    --fault.count;
    fault.skip = fault.every - 1;
    return &fault;
  }
  if (!noisy_) return nullptr;
  noise_ = Fault{.call = call, .error = Noise(call)};
  return noise_.error == 0 ? nullptr : &noise_;
}

template <typename Function>
SysResult FaultyKernel::Do(Call call, int fd, Function real) {
  ++total_;
  ++by_call_[static_cast<size_t>(call)];
  ++by_fd_[{call, fd}];
  const Fault* fault = Strike(call, fd);
  if (fault != nullptr && !fault->made) {
    return fault->error == 0 ? SysResult{0, 0} : SysResult{-1, fault->error};
  }
  const int error = fault == nullptr ? 0 : fault->error;
  if (hook_) hook_(call, fd);
  const SysResult result = real();
  if (error != 0) return {-1, error};
  return result;
}

SysResult FaultyKernel::Socket(int domain, int type, int protocol) {
  const SysResult r = Do(Call::kSocket, -1,
                         [&] { return real_.Socket(domain, type, protocol); });
  if (r.ok()) last_socket_ = static_cast<int>(r.value);
  return r;
}

SysResult FaultyKernel::Bind(int fd, const sockaddr* address, socklen_t size) {
  return Do(Call::kBind, fd, [&] { return real_.Bind(fd, address, size); });
}

SysResult FaultyKernel::Listen(int fd, int backlog) {
  return Do(Call::kListen, fd, [&] { return real_.Listen(fd, backlog); });
}

SysResult FaultyKernel::Accept(int fd, sockaddr* address, socklen_t* size,
                               int flags) {
  const SysResult r = Do(Call::kAccept, fd, [&] {
    return real_.Accept(fd, address, size, flags);
  });
  if (r.ok()) last_accepted_ = static_cast<int>(r.value);
  return r;
}

SysResult FaultyKernel::Connect(int fd, const sockaddr* address,
                                socklen_t size) {
  bool made = false;
  const SysResult r = Do(Call::kConnect, fd, [&] {
    made = true;
    return real_.Connect(fd, address, size);
  });
  if (r.error == EINPROGRESS && !made) held_.insert(fd);
  if (noisy_ && r.error == EINPROGRESS && Chance(kInterruptedPercent)) {
    return {-1, EINTR};
  }
  return r;
}

SysResult FaultyKernel::Recv(int fd, void* data, size_t size, int flags) {
  last_recv_size_ = size;
  if (unix_read_limit_ < size && IsUnix(real_, fd)) size = unix_read_limit_;
  return Do(Call::kRecv, fd, [&] { return real_.Recv(fd, data, size, flags); });
}

SysResult FaultyKernel::Send(int fd, const void* data, size_t size, int flags) {
  if (held_.contains(fd)) {
    if (!Connected(fd)) {
      return Do(Call::kSend, fd, [] { return SysResult{-1, EAGAIN}; });
    }
    held_.erase(fd);
  }
  size = std::min(size, send_limit_);
  if (noisy_ && size > 1 && Chance(kShortPercent)) {
    size = 1 + random_() % (size - 1);
  }
  return Do(Call::kSend, fd, [&] { return real_.Send(fd, data, size, flags); });
}

SysResult FaultyKernel::Shutdown(int fd, int how) {
  return Do(Call::kShutdown, fd, [&] { return real_.Shutdown(fd, how); });
}

SysResult FaultyKernel::SetSockOpt(int fd, int level, int name,
                                   const void* value, socklen_t size) {
  return Do(Call::kSetSockOpt, fd,
            [&] { return real_.SetSockOpt(fd, level, name, value, size); });
}

SysResult FaultyKernel::GetSockOpt(int fd, int level, int name, void* value,
                                   socklen_t* size) {
  if (level == SOL_SOCKET && name == SO_ERROR) ++error_reads_[fd];
  const SysResult result = Do(Call::kGetSockOpt, fd, [&] {
    return real_.GetSockOpt(fd, level, name, value, size);
  });
  if (level == IPPROTO_TCP && name == TCP_INFO && result.ok() &&
      retransmits_.count(fd) > 0) {
    static_cast<tcp_info*>(value)->tcpi_total_retrans += retransmits_[fd];
    retransmits_.erase(fd);
  }
  return result;
}

SysResult FaultyKernel::GetSockName(int fd, sockaddr* address,
                                    socklen_t* size) {
  return Do(Call::kGetSockName, fd,
            [&] { return real_.GetSockName(fd, address, size); });
}

SysResult FaultyKernel::GetPeerName(int fd, sockaddr* address,
                                    socklen_t* size) {
  return Do(Call::kGetPeerName, fd,
            [&] { return real_.GetPeerName(fd, address, size); });
}

SysResult FaultyKernel::Pipe(int ends[2], int flags) {
  return Do(Call::kPipe, -1, [&] { return real_.Pipe(ends, flags); });
}

SysResult FaultyKernel::SetPipeSize(int fd, size_t bytes) {
  return Do(Call::kSetPipeSize, fd,
            [&] { return real_.SetPipeSize(fd, bytes); });
}

SysResult FaultyKernel::GetPipeSize(int fd) {
  return Do(Call::kGetPipeSize, fd, [&] { return real_.GetPipeSize(fd); });
}

SysResult FaultyKernel::Read(int fd, void* data, size_t size) {
  return Do(Call::kReadPipe, fd, [&] { return real_.Read(fd, data, size); });
}

SysResult FaultyKernel::Splice(int from, int to, size_t size) {
  if (IsSocket(from)) {
    return Do(Call::kSpliceIn, from,
              [&] { return real_.Splice(from, to, size); });
  }
  // As Send(), which shares the limit.
  size = std::min(size, send_limit_);
  if (noisy_ && size > 1 && Chance(kShortPercent)) {
    size = 1 + random_() % (size - 1);
  }
  return Do(Call::kSpliceOut, to, [&] { return real_.Splice(from, to, size); });
}

SysResult FaultyKernel::SendQueue(int fd) {
  return Do(Call::kSendQueue, fd, [&] { return real_.SendQueue(fd); });
}

SysResult FaultyKernel::Close(int fd) {
  held_.erase(fd);
  return Do(Call::kClose, fd, [&] { return real_.Close(fd); });
}

}  // namespace weir
