#include "tests/support/rig_sockets.h"

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace weir {
namespace {

// A free address: the kernel's choice of a port, or a name of our own.
Address FreeAddress(sa_family_t family) {
  if (family != AF_UNIX) return Address::Loopback(family, 0);
  static std::atomic<int> next{0};
  return *Address::UnixAbstract(
      absl::StrCat("weir-rig-", ::getpid(), "-", ++next));
}

}  // namespace

Address NameOf(int fd) {
  sockaddr_storage storage;
  socklen_t size = sizeof(storage);
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  PCHECK(::getsockname(fd, address, &size) == 0);
  return Address::FromSockaddr(address, size);
}

int MakeSocket(sa_family_t family) {
  const int fd =
      ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  PCHECK(fd >= 0);
  return fd;
}

UniqueFd ListenOn(sa_family_t family, int backlog) {
  UniqueFd fd(MakeSocket(family));
  const Address address = FreeAddress(family);
  PCHECK(::bind(fd.get(), address.data(), address.size()) == 0);
  PCHECK(::listen(fd.get(), backlog) == 0);
  return fd;
}

std::vector<UniqueFd> ListenBeside(int first, size_t count) {
  std::vector<UniqueFd> beside;
  const Address address = NameOf(first);
  for (size_t i = 0; i < count; ++i) {
    UniqueFd fd(MakeSocket(address.family()));
    const int on = 1;
    for (const int each : {first, fd.get()}) {
      PCHECK(::setsockopt(each, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) ==
             0);
    }
    PCHECK(::bind(fd.get(), address.data(), address.size()) == 0);
    PCHECK(::listen(fd.get(), 1024) == 0);
    beside.push_back(std::move(fd));
  }
  return beside;
}

void SetReceiveBuffer(int fd, int bytes) {
  if (bytes == 0) return;
  PCHECK(::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) == 0);
}

}  // namespace weir
