// Public. What the sockets of a forward are set to. Any thread; a descriptor is
// its caller's.

#ifndef PROXY_RELAY_STREAM_OPTIONS_H_
#define PROXY_RELAY_STREAM_OPTIONS_H_

#include <string>
#include <vector>

#include "proxy/config/forward_spec.h"
#include "reactor/kernel.h"

namespace weir {

// All options of a listener, before it is bound: accepted TCP sockets inherit
// them for nothing, and a buffer's size decides about the window that a SYN-ACK
// offers. `tcp`: not AF_UNIX. Returns a line for people for each key that the
// kernel does not, or not wholly, obey; the forward works without:
//
//   pg: +rcvbuf:8MiB: the kernel gives 4MiB; sysctl -w
//   net.core.rmem_max=8388608 allows it
std::vector<std::string> SetListenerOptions(Kernel& kernel, int fd, bool tcp,
                                            const ForwardSpec& forward);

// What the keys user-timeout, rcvbuf and sndbuf ask for, and no call without
// them. For a socket that connects, before it does; and for one that a unix
// listener accepted, which inherits nothing.
void SetKeyedOptions(Kernel& kernel, int fd, bool tcp,
                     const ForwardSpec& forward);

// Keepalive probes. Four calls, so a connection gets them only when it has
// lived for a while (Session).
void SetKeepAliveOptions(Kernel& kernel, int fd, const ForwardSpec& forward);

}  // namespace weir

#endif  // PROXY_RELAY_STREAM_OPTIONS_H_
