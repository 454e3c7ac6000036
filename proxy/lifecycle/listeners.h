// Public. Binds what the forwards and the admin port listen on.

#ifndef PROXY_LIFECYCLE_LISTENERS_H_
#define PROXY_LIFECYCLE_LISTENERS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "proxy/config/forward_spec.h"
#include "reactor/fd.h"
#include "reactor/kernel.h"
#include "reactor/listen.h"

namespace weir {

// The sockets of one forward. Owns them.
struct BoundForward {
  std::vector<ListeningSocket> sockets;  // one an address, at least one
  // For each further reactor that has sockets of its own: one for each of
  // `sockets`; none (an empty descriptor) for a unix socket, which all share.
  std::vector<std::vector<UniqueFd>> copies;
  // A family that this machine lacks: "[::1]:5432 skipped: Address family not
  // supported by protocol".
  std::vector<std::string> skipped;
  // What the kernel does not do of the keys: lines for people, each once.
  std::vector<std::string> warnings;
};

// Any thread. Element i is of forward i. Sockets carry the forward's stream
// options, which connections inherit. A bare port is one forward of two
// sockets; of port 0 the second takes the first's number. With `queues` over 1
// each IP address gets so many sockets (SO_REUSEPORT). Errors name the forward,
// and then nothing stays bound.
absl::StatusOr<std::vector<BoundForward>> BindForwards(
    Kernel& kernel, const std::vector<ForwardSpec>& forwards,
    size_t queues = 1);

// How many descriptors that is.
size_t CountSockets(const std::vector<BoundForward>& bound);

// The admin address, of kind kHostPort, or kUnix: a path that its owner alone
// may use. With `may_move` a port that is taken is left for one of the kernel's
// choice: a second weir on a machine just starts. Errors name the flag.
absl::StatusOr<ListeningSocket> BindAdmin(Kernel& kernel,
                                          const ListenSpec& place,
                                          bool may_move);

// The address of --probes, of kind kHostPort. Errors name the flag.
absl::StatusOr<ListeningSocket> BindProbes(Kernel& kernel,
                                           const ListenSpec& place);

}  // namespace weir

#endif  // PROXY_LIFECYCLE_LISTENERS_H_
