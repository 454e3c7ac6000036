// Public. Every system call that the data path makes, behind one interface that
// is injected per object: RealKernel in the binary, faulty kernels in tests.
// A call costs one indirect jump (six a round trip of a message).

#ifndef REACTOR_KERNEL_H_
#define REACTOR_KERNEL_H_

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>

namespace weir {

// What a system call returned: `value` when `error` is 0, else an errno.
struct SysResult {
  int64_t value = 0;
  int error = 0;

  bool ok() const { return error == 0; }
};

// Thread-safe. Each method is the call of the same name (man 2), except that
// EINTR of a non-blocking call is retried inside and that errno is returned
// beside the value. Descriptors are the caller's.
class Kernel {
 public:
  virtual ~Kernel() = default;

  // `type` should carry SOCK_NONBLOCK | SOCK_CLOEXEC.
  virtual SysResult Socket(int domain, int type, int protocol) = 0;
  virtual SysResult Bind(int fd, const sockaddr* address, socklen_t size) = 0;
  virtual SysResult Listen(int fd, int backlog) = 0;
  // accept4(2). EINTR is retried.
  virtual SysResult Accept(int fd, sockaddr* address, socklen_t* size,
                           int flags) = 0;
  // EINTR is not retried: the connection goes on asynchronously (connect(2)).
  virtual SysResult Connect(int fd, const sockaddr* address,
                            socklen_t size) = 0;
  virtual SysResult Recv(int fd, void* data, size_t size, int flags) = 0;
  // MSG_NOSIGNAL is added.
  virtual SysResult Send(int fd, const void* data, size_t size, int flags) = 0;
  virtual SysResult Shutdown(int fd, int how) = 0;
  virtual SysResult SetSockOpt(int fd, int level, int name, const void* value,
                               socklen_t size) = 0;
  virtual SysResult GetSockOpt(int fd, int level, int name, void* value,
                               socklen_t* size) = 0;
  virtual SysResult GetSockName(int fd, sockaddr* address, socklen_t* size) = 0;
  virtual SysResult GetPeerName(int fd, sockaddr* address, socklen_t* size) = 0;
  // pipe2(2): the end to read from, then the one to write to.
  virtual SysResult Pipe(int ends[2], int flags) = 0;
  // F_SETPIPE_SZ and F_GETPIPE_SZ of fcntl(2); the value is the capacity.
  virtual SysResult SetPipeSize(int fd, size_t bytes) = 0;
  virtual SysResult GetPipeSize(int fd) = 0;
  // read(2), of a pipe.
  virtual SysResult Read(int fd, void* data, size_t size) = 0;
  // splice(2) between a socket and a pipe, with SPLICE_F_NONBLOCK and
  // SPLICE_F_MOVE; never SPLICE_F_MORE, which holds back the tail. Has no
  // MSG_NOSIGNAL: the process ignores SIGPIPE.
  virtual SysResult Splice(int from, int to, size_t size) = 0;
  // SIOCOUTQ: bytes not yet acknowledged (TCP) or not yet read (AF_UNIX).
  virtual SysResult SendQueue(int fd) = 0;
  // Never retried: on Linux the descriptor is gone even after EINTR.
  virtual SysResult Close(int fd) = 0;

  // The machine's kernel. Never destroyed.
  static Kernel& Real();
};

}  // namespace weir

#endif  // REACTOR_KERNEL_H_
