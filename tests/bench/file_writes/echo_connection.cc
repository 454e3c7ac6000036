#include "tests/bench/file_writes/echo_connection.h"

#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "reactor/callback_kind.h"

namespace weir {

EchoConnection::EchoConnection(UniqueFd fd, LineLog* log, Reactor* reactor)
    : log_(*log), reactor_(*reactor), fd_(std::move(fd)) {
  const Reactor::Registration registration =
      reactor_.Register(fd_.get(), FdKind::kLevel, this);
  if (registration.error != 0) {
    std::fprintf(stderr, "file_writes: cannot watch a socket\n");
    std::exit(1);
  }
  handle_ = registration.handle;
  reactor_.Arm(handle_, kRead);
}

EchoConnection::~EchoConnection() { reactor_.Close(handle_, std::move(fd_)); }

void EchoConnection::OnReady(Ready) noexcept {
  reactor_.Describe(CallbackKind::kRelay, {});
  char bytes[4096];
  const ssize_t n = recv(fd_.get(), bytes, sizeof(bytes), MSG_DONTWAIT);
  if (n <= 0) return;
  // The peer waits for it: there is room.
  if (send(fd_.get(), bytes, static_cast<size_t>(n),
           MSG_DONTWAIT | MSG_NOSIGNAL) == n) {
    log_.Add();
  }
}

}  // namespace weir
