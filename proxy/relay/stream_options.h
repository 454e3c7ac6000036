// Public. What every TCP socket of a forward is set to.

#ifndef PROXY_RELAY_STREAM_OPTIONS_H_
#define PROXY_RELAY_STREAM_OPTIONS_H_

#include "proxy/config/forward_spec.h"
#include "reactor/kernel.h"

namespace weir {

// For a socket that connects: urgent bytes in line, no delay for small writes.
// A failure is no error: the connection works without.
void SetStreamOptions(Kernel& kernel, int fd, const ForwardSpec& forward);

// Keepalive probes. Four calls, so a connection gets them only when it has
// lived for a while (Session); a listener at once, for accepted sockets inherit
// all of its options for nothing.
void SetKeepAliveOptions(Kernel& kernel, int fd, const ForwardSpec& forward);

}  // namespace weir

#endif  // PROXY_RELAY_STREAM_OPTIONS_H_
