#include "proxy/relay/stream_options.h"

#include <chrono>

#include "reactor/clock.h"
#include "reactor/socket.h"

namespace weir {

void SetStreamOptions(Kernel& kernel, int fd, const ForwardSpec& forward) {
  (void)SetOobInline(kernel, fd);
  if (forward.no_delay) (void)SetNoDelay(kernel, fd, true);
}

void SetKeepAliveOptions(Kernel& kernel, int fd, const ForwardSpec& forward) {
  if (forward.keepalive != kForever) {
    (void)SetKeepAlive(
        kernel, fd, std::chrono::ceil<std::chrono::seconds>(forward.keepalive));
  }
}

}  // namespace weir
