// Public. Options and names of a socket, as one call each. All of them return 0
// or an errno: they run on the path of a connection.

#ifndef REACTOR_SOCKET_H_
#define REACTOR_SOCKET_H_

#include <chrono>

#include "reactor/address.h"
#include "reactor/kernel.h"

namespace weir {

// TCP_NODELAY.
[[nodiscard]] int SetNoDelay(Kernel& kernel, int fd, bool on);

// SO_KEEPALIVE, the first probe after `idle` (at least 1 s; whole seconds)
// without traffic, then six of them every 10 seconds: a dead peer is found
// after `idle` and a minute. A socket inherits this from its listener.
[[nodiscard]] int SetKeepAlive(Kernel& kernel, int fd,
                               std::chrono::seconds idle);

// SO_OOBINLINE: an urgent byte stays in the stream (C14).
[[nodiscard]] int SetOobInline(Kernel& kernel, int fd);

// SO_LINGER with a time of zero: close resets the connection and destroys what
// is unsent (TCP).
[[nodiscard]] int SetLingerZero(Kernel& kernel, int fd);

// SO_ERROR, which the call clears: the errno that the socket holds, or 0. Where
// the call itself fails, the errno of that.
[[nodiscard]] int TakeSocketError(Kernel& kernel, int fd);

// getsockname(2) and getpeername(2). The address is unchanged on failure.
[[nodiscard]] int GetLocalAddress(Kernel& kernel, int fd, Address* address);
[[nodiscard]] int GetPeerAddress(Kernel& kernel, int fd, Address* address);

}  // namespace weir

#endif  // REACTOR_SOCKET_H_
