// Internal to reactor/. Best effort: which process has an address already. For
// the one line that says why a listener could not be opened.

#ifndef REACTOR_SOCKET_HOLDER_H_
#define REACTOR_SOCKET_HOLDER_H_

#include <string>

#include "reactor/address.h"

namespace weir {

// " (held by pid 811 postgres)", " (held by this process)", or nothing where it
// cannot be told: only root sees the descriptors of others.
std::string ProcessHint(int pid);

// ProcessHint() of a process that listens on a TCP address which stands in the
// way of `address`, in the network namespace of the calling thread. Reads
// /proc, all of it: for start-up and reload only.
std::string WhoListens(const Address& address);

}  // namespace weir

#endif  // REACTOR_SOCKET_HOLDER_H_
