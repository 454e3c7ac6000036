// Sockets for the rig (relay_rig.h). What fails ends the process.

#ifndef TESTS_SUPPORT_RIG_SOCKETS_H_
#define TESTS_SUPPORT_RIG_SOCKETS_H_

#include <sys/socket.h>

#include <cstddef>
#include <vector>

#include "reactor/address.h"
#include "reactor/fd.h"

namespace weir {

// That `fd` is bound to.
Address NameOf(int fd);

// A non-blocking stream socket, the caller's.
int MakeSocket(sa_family_t family);

// On loopback at a port of the kernel's choice, or at an abstract name.
UniqueFd ListenOn(sa_family_t family, int backlog);

// Sockets with queues of their own at the address of `first`.
std::vector<UniqueFd> ListenBeside(int first, size_t count);

// SO_RCVBUF, unless it is 0.
void SetReceiveBuffer(int fd, int bytes);

}  // namespace weir

#endif  // TESTS_SUPPORT_RIG_SOCKETS_H_
