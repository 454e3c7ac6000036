// Public. Opening a listener, with messages for people.

#ifndef REACTOR_LISTEN_H_
#define REACTOR_LISTEN_H_

#include <sys/types.h>

#include <functional>
#include <optional>

#include "absl/status/statusor.h"
#include "reactor/address.h"
#include "reactor/fd.h"
#include "reactor/kernel.h"
#include "reactor/socket_file.h"

namespace weir {

struct ListenOptions {
  // The kernel caps it at net.core.somaxconn, 4096 by default.
  int backlog = 4096;
  // Sets more options of the socket, before it is bound: the first client finds
  // them.
  std::function<void(int fd)> prepare = nullptr;
  // Of the file of a unix socket; without one the umask decides.
  std::optional<mode_t> mode;
};

// A socket that listens, non-blocking and close-on-exec.
struct ListeningSocket {
  UniqueFd fd;
  // As asked for, but with the port that the kernel picked for port 0.
  Address address;
  // Removes the file of a unix socket at the end. Destroyed before `fd`, so
  // that nobody finds the path of a listener that is gone.
  SocketFile file;
};

// An IPv6 listener takes IPv6 only. The path of a unix listener replaces a
// socket that nobody listens on any more, and nothing else.
//
// Errors read "cannot listen on 127.0.0.1:5432: Address already in use (held by
// pid 811 postgres)"; ErrnoOf() tells EAFNOSUPPORT and EADDRNOTAVAIL, a family
// that the machine lacks, from the others. Nothing is left behind.
absl::StatusOr<ListeningSocket> Listen(Kernel& kernel, const Address& address,
                                       const ListenOptions& options = {});

// Another socket that listens at the address of `first`, of an IP address, with
// a queue of its own (SO_REUSEPORT): the kernel spreads new connections over
// both, by a hash of the client's address. `first` stays as it is otherwise.
//
// Listen() binds without that option, so a port that somebody else has is an
// error however he has it; only then does `first` let others in, and only those
// of the same user who ask for it by the option.
absl::StatusOr<UniqueFd> ListenBeside(Kernel& kernel,
                                      const ListeningSocket& first,
                                      const ListenOptions& options = {});

}  // namespace weir

#endif  // REACTOR_LISTEN_H_
