#include "reactor/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace weir {
namespace {

SysResult Result(int64_t value) {
  if (value < 0) return {-1, errno};
  return {value, 0};
}

class RealKernel final : public Kernel {
 public:
  SysResult Socket(int domain, int type, int protocol) override {
    return Result(::socket(domain, type, protocol));
  }
  SysResult Bind(int fd, const sockaddr* address, socklen_t size) override {
    return Result(::bind(fd, address, size));
  }
  SysResult Listen(int fd, int backlog) override {
    return Result(::listen(fd, backlog));
  }
  SysResult Accept(int fd, sockaddr* address, socklen_t* size,
                   int flags) override {
    int64_t r;
    do r = ::accept4(fd, address, size, flags);
    while (r < 0 && errno == EINTR);
    return Result(r);
  }
  SysResult Connect(int fd, const sockaddr* address, socklen_t size) override {
    return Result(::connect(fd, address, size));
  }
  SysResult Recv(int fd, void* data, size_t size, int flags) override {
    int64_t r;
    do r = ::recv(fd, data, size, flags);
    while (r < 0 && errno == EINTR);
    return Result(r);
  }
  SysResult Send(int fd, const void* data, size_t size, int flags) override {
    int64_t r;
    do r = ::send(fd, data, size, flags | MSG_NOSIGNAL);
    while (r < 0 && errno == EINTR);
    return Result(r);
  }
  SysResult Shutdown(int fd, int how) override {
    return Result(::shutdown(fd, how));
  }
  SysResult SetSockOpt(int fd, int level, int name, const void* value,
                       socklen_t size) override {
    return Result(::setsockopt(fd, level, name, value, size));
  }
  SysResult GetSockOpt(int fd, int level, int name, void* value,
                       socklen_t* size) override {
    return Result(::getsockopt(fd, level, name, value, size));
  }
  SysResult GetSockName(int fd, sockaddr* address, socklen_t* size) override {
    return Result(::getsockname(fd, address, size));
  }
  SysResult GetPeerName(int fd, sockaddr* address, socklen_t* size) override {
    return Result(::getpeername(fd, address, size));
  }
  SysResult Pipe(int ends[2], int flags) override {
    return Result(::pipe2(ends, flags));
  }
  SysResult SetPipeSize(int fd, size_t bytes) override {
    return Result(::fcntl(fd, F_SETPIPE_SZ, bytes));
  }
  SysResult GetPipeSize(int fd) override {
    return Result(::fcntl(fd, F_GETPIPE_SZ));
  }
  SysResult Read(int fd, void* data, size_t size) override {
    int64_t r;
    do r = ::read(fd, data, size);
    while (r < 0 && errno == EINTR);
    return Result(r);
  }
  SysResult Splice(int from, int to, size_t size) override {
    int64_t r;
    do
      r = ::splice(from, nullptr, to, nullptr, size,
                   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    while (r < 0 && errno == EINTR);
    return Result(r);
  }
  SysResult SendQueue(int fd) override {
    int bytes = 0;
    if (::ioctl(fd, SIOCOUTQ, &bytes) < 0) return {-1, errno};
    return {bytes, 0};
  }
  SysResult Close(int fd) override { return Result(::close(fd)); }
};

}  // namespace

Kernel& Kernel::Real() {
  static RealKernel& kernel = *new RealKernel;
  return kernel;
}

}  // namespace weir
