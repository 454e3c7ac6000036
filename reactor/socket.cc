#include "reactor/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

#include "reactor/address.h"
#include "reactor/kernel.h"

namespace weir {
namespace {

constexpr int kKeepAliveSeconds = 10;
constexpr int kKeepAliveProbes = 6;
// What the kernel takes (MAX_TCP_KEEPIDLE).
constexpr int64_t kLongestIdle = 32767;

int SetInt(Kernel& kernel, int fd, int level, int name, int value) {
  return kernel.SetSockOpt(fd, level, name, &value, sizeof(value)).error;
}

int GetInt(Kernel& kernel, int fd, int level, int name) {
  int value = 0;
  socklen_t size = sizeof(value);
  const SysResult result = kernel.GetSockOpt(fd, level, name, &value, &size);
  return result.ok() ? value : 0;
}

bool GetTcpInfo(Kernel& kernel, int fd, tcp_info* info) {
  *info = {};  // a kernel may know less than its headers
  socklen_t size = sizeof(*info);
  return kernel.GetSockOpt(fd, IPPROTO_TCP, TCP_INFO, info, &size).ok();
}

using NameCall = SysResult (Kernel::*)(int, sockaddr*, socklen_t*);

int GetAddress(Kernel& kernel, NameCall call, int fd, Address* address) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  auto* const name = reinterpret_cast<sockaddr*>(&storage);
  const SysResult result = (kernel.*call)(fd, name, &size);
  if (result.ok()) *address = Address::FromSockaddr(name, size);
  return result.error;
}

}  // namespace

int SetNoDelay(Kernel& kernel, int fd, bool on) {
  return SetInt(kernel, fd, IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0);
}

int SetKeepAlive(Kernel& kernel, int fd, std::chrono::seconds idle) {
  const auto seconds =
      static_cast<int>(std::clamp<int64_t>(idle.count(), 1, kLongestIdle));
  int error = SetInt(kernel, fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
  if (error == 0) {
    error = SetInt(kernel, fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveSeconds);
  }
  if (error == 0) {
    error = SetInt(kernel, fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbes);
  }
  // Last: it starts the timer, with the times that are set then.
  if (error == 0) error = SetInt(kernel, fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  return error;
}

int SetUserTimeout(Kernel& kernel, int fd, std::chrono::milliseconds timeout) {
  return SetInt(kernel, fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
                static_cast<int>(timeout.count()));
}

int SetDeferAccept(Kernel& kernel, int fd, std::chrono::seconds wait) {
  return SetInt(kernel, fd, IPPROTO_TCP, TCP_DEFER_ACCEPT,
                static_cast<int>(wait.count()));
}

int SetFastOpen(Kernel& kernel, int fd, int queue) {
  return SetInt(kernel, fd, IPPROTO_TCP, TCP_FASTOPEN, queue);
}

int SetReceiveBuffer(Kernel& kernel, int fd, int bytes) {
  return SetInt(kernel, fd, SOL_SOCKET, SO_RCVBUF, bytes);
}

int SetSendBuffer(Kernel& kernel, int fd, int bytes) {
  return SetInt(kernel, fd, SOL_SOCKET, SO_SNDBUF, bytes);
}

int GetReceiveBuffer(Kernel& kernel, int fd) {
  return GetInt(kernel, fd, SOL_SOCKET, SO_RCVBUF) / 2;
}

int GetSendBuffer(Kernel& kernel, int fd) {
  return GetInt(kernel, fd, SOL_SOCKET, SO_SNDBUF) / 2;
}

int SetOobInline(Kernel& kernel, int fd) {
  return SetInt(kernel, fd, SOL_SOCKET, SO_OOBINLINE, 1);
}

int SetLingerZero(Kernel& kernel, int fd) {
  const linger zero = {.l_onoff = 1, .l_linger = 0};
  return kernel.SetSockOpt(fd, SOL_SOCKET, SO_LINGER, &zero, sizeof(zero))
      .error;
}

int TakeSocketError(Kernel& kernel, int fd) {
  int value = 0;
  socklen_t size = sizeof(value);
  const SysResult result =
      kernel.GetSockOpt(fd, SOL_SOCKET, SO_ERROR, &value, &size);
  return result.ok() ? value : result.error;
}

bool InHandshake(Kernel& kernel, int fd) {
  tcp_info info;
  return GetTcpInfo(kernel, fd, &info) && info.tcpi_state == TCP_SYN_RECV;
}

std::optional<uint32_t> GetRetransmits(Kernel& kernel, int fd) {
  tcp_info info;
  if (!GetTcpInfo(kernel, fd, &info)) return std::nullopt;
  return info.tcpi_total_retrans;
}

int GetLocalAddress(Kernel& kernel, int fd, Address* address) {
  return GetAddress(kernel, &Kernel::GetSockName, fd, address);
}

int GetPeerAddress(Kernel& kernel, int fd, Address* address) {
  return GetAddress(kernel, &Kernel::GetPeerName, fd, address);
}

}  // namespace weir
