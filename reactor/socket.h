// Public. Options and names of a socket, as one call each. Most return 0 or an
// errno: they run on the path of a connection.

#ifndef REACTOR_SOCKET_H_
#define REACTOR_SOCKET_H_

#include <chrono>
#include <cstdint>
#include <optional>

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

// TCP_USER_TIMEOUT: the connection ends with ETIMEDOUT when what was sent stays
// unacknowledged, or the peer's window closed, for this long. Before connect()
// it also bounds the wait for an answer to the SYN. Inherited.
[[nodiscard]] int SetUserTimeout(Kernel& kernel, int fd,
                                 std::chrono::milliseconds timeout);

// TCP_DEFER_ACCEPT of a listener: a connection is handed over when bytes (or a
// FIN) came, and otherwise at the first retransmission of the SYN-ACK that is
// not earlier than this: 1, 3, 7, 15, 31... seconds.
[[nodiscard]] int SetDeferAccept(Kernel& kernel, int fd,
                                 std::chrono::seconds wait);

// TCP_FASTOPEN of a listener: at most `queue` connections that sent bytes with
// their SYN wait for the end of their handshake.
[[nodiscard]] int SetFastOpen(Kernel& kernel, int fd, int queue);

// SO_RCVBUF and SO_SNDBUF, which also end the kernel's tuning. It doubles what
// it is given, and cuts it to net.core.rmem_max or wmem_max without an error.
// A TCP socket inherits both from its listener.
[[nodiscard]] int SetReceiveBuffer(Kernel& kernel, int fd, int bytes);
[[nodiscard]] int SetSendBuffer(Kernel& kernel, int fd, int bytes);
// What was given, after the cut and before the doubling; 0 where the call
// fails.
[[nodiscard]] int GetReceiveBuffer(Kernel& kernel, int fd);
[[nodiscard]] int GetSendBuffer(Kernel& kernel, int fd);

// SO_OOBINLINE: an urgent byte stays in the stream (C14).
[[nodiscard]] int SetOobInline(Kernel& kernel, int fd);

// SO_LINGER with a time of zero: close resets the connection and destroys what
// is unsent (TCP).
[[nodiscard]] int SetLingerZero(Kernel& kernel, int fd);

// SO_ERROR, which the call clears: the errno that the socket holds, or 0. Where
// the call itself fails, the errno of that.
[[nodiscard]] int TakeSocketError(Kernel& kernel, int fd);

// TCP: whether the handshake is not over yet. A listener with TCP_FASTOPEN
// hands such a connection over; what is sent to it is queued, and SIOCOUTQ is
// 0.
[[nodiscard]] bool InHandshake(Kernel& kernel, int fd);

// TCP: how many segments were sent again in all; nothing where the call fails.
[[nodiscard]] std::optional<uint32_t> GetRetransmits(Kernel& kernel, int fd);

// getsockname(2) and getpeername(2). The address is unchanged on failure.
[[nodiscard]] int GetLocalAddress(Kernel& kernel, int fd, Address* address);
[[nodiscard]] int GetPeerAddress(Kernel& kernel, int fd, Address* address);

}  // namespace weir

#endif  // REACTOR_SOCKET_H_
