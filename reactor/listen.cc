#include "reactor/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "reactor/address.h"
#include "reactor/errno_status.h"
#include "reactor/fd.h"
#include "reactor/kernel.h"
#include "reactor/socket.h"
#include "reactor/socket_file.h"
#include "reactor/socket_holder.h"

namespace weir {
namespace {

// Options, bind and listen. Returns an errno.
int BindAndListen(Kernel& kernel, int fd, const Address& address, int backlog) {
  const int on = 1;
  if (address.is_ip()) {
    // A restart must not wait for the TIME_WAITs of its predecessor.
    const SysResult reuse =
        kernel.SetSockOpt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (!reuse.ok()) return reuse.error;
  }
  if (address.family() == AF_INET6) {
    // Said always: the default is a setting of the machine (N01).
    const SysResult only =
        kernel.SetSockOpt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (!only.ok()) return only.error;
  }
  const SysResult bound = kernel.Bind(fd, address.data(), address.size());
  if (!bound.ok()) return bound.error;
  return kernel.Listen(fd, backlog).error;
}

std::string Holder(Kernel& kernel, const Address& address) {
  if (address.is_ip()) return WhoListens(address);
  pid_t holder = 0;
  const int error = ProbeUnixListener(kernel, address, &holder);
  return error == EADDRINUSE ? ProcessHint(holder) : "";
}

}  // namespace

absl::StatusOr<ListeningSocket> Listen(Kernel& kernel, const Address& address,
                                       const ListenOptions& options) {
  const std::string what =
      absl::StrCat("cannot listen on ", address.ToString());
  const SysResult made = kernel.Socket(
      address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (!made.ok()) return ErrnoStatus(made.error, what);

  ListeningSocket result;
  result.fd = UniqueFd(static_cast<int>(made.value), kernel);
  result.address = address;
  const int fd = result.fd.get();
  if (options.prepare != nullptr) options.prepare(fd);

  if (!address.unix_path().empty()) {
    absl::StatusOr<SocketFile> file =
        SocketFile::Listen(kernel, fd, address, options.backlog, options.mode);
    if (!file.ok()) return file.status();
    result.file = *std::move(file);
    return result;
  }

  const int error = BindAndListen(kernel, fd, address, options.backlog);
  if (error == EADDRINUSE) {
    return ErrnoStatus(error, what, Holder(kernel, address));
  }
  if (error == EACCES && address.is_ip()) {
    return ErrnoStatus(error, what,
                       " (a port under 1024 takes CAP_NET_BIND_SERVICE)");
  }
  if (error != 0) return ErrnoStatus(error, what);
  if (address.is_ip() && address.port() == 0) {
    const int name_error = GetLocalAddress(kernel, fd, &result.address);
    if (name_error != 0) return ErrnoStatus(name_error, what);
  }
  return result;
}

absl::StatusOr<UniqueFd> ListenBeside(Kernel& kernel,
                                      const ListeningSocket& first,
                                      const ListenOptions& options) {
  const std::string what =
      absl::StrCat("cannot listen on ", first.address.ToString(),
                   " once more (SO_REUSEPORT)");
  const SysResult made = kernel.Socket(
      first.address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (!made.ok()) return ErrnoStatus(made.error, what);
  UniqueFd beside(static_cast<int>(made.value), kernel);
  const int on = 1;
  for (const int fd : {first.fd.get(), beside.get()}) {
    const SysResult shared =
        kernel.SetSockOpt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (!shared.ok()) return ErrnoStatus(shared.error, what);
  }
  if (options.prepare) options.prepare(beside.get());
  const int error =
      BindAndListen(kernel, beside.get(), first.address, options.backlog);
  if (error != 0) return ErrnoStatus(error, what);
  return beside;
}

}  // namespace weir
