#include "metrics/http_listen.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"

namespace weir {
namespace {

constexpr int kBacklog = 128;

absl::Status StatusOf(int error, const std::string& address, uint16_t port) {
  const bool v6 = address.find(':') != std::string::npos;
  const std::string message =
      absl::StrCat("cannot listen on ", v6 ? "[" : "", address, v6 ? "]" : "",
                   ":", port, ": ", strerror(error));
  switch (error) {
    case EADDRINUSE:
      return absl::AlreadyExistsError(message);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(message);
    default:
      return absl::UnavailableError(message);
  }
}

int BindAndListen(int fd, const addrinfo& address) {
  const int on = 1;
  // After a restart the old connections' TIME_WAIT must not keep the port.
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) {
    return errno;
  }
  // Else [::] would take IPv4's port too.
  if (address.ai_family == AF_INET6 &&
      setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) {
    return errno;
  }
  if (bind(fd, address.ai_addr, address.ai_addrlen) != 0) return errno;
  return listen(fd, kBacklog) == 0 ? 0 : errno;
}

}  // namespace

absl::StatusOr<int> ListenTcp(const std::string& address, uint16_t port) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints,
                  &found) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a numeric IPv4 or IPv6 address: ", address));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found,
                                                                 &freeaddrinfo);
  const int fd =
      socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return StatusOf(errno, address, port);
  if (const int error = BindAndListen(fd, *found); error != 0) {
    close(fd);
    return StatusOf(error, address, port);
  }
  return fd;
}

absl::Status ListenOn(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
      fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || listen(fd, kBacklog) != 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on the given socket: ", strerror(errno)));
  }
  return absl::OkStatus();
}

uint16_t PortOf(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return 0;
  }
  if (address.ss_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, &address, sizeof in);
    return ntohs(in.sin_port);
  }
  if (address.ss_family == AF_INET6) {
    sockaddr_in6 in;
    std::memcpy(&in, &address, sizeof in);
    return ntohs(in.sin6_port);
  }
  return 0;
}

}  // namespace weir
