// Public. Names to addresses on a loop, by c-ares: /etc/hosts and DNS as
// /etc/resolv.conf and /etc/nsswitch.conf say, search list and ndots included.
// glibc's other name services (mDNS, LDAP) are not asked.

#ifndef PROXY_UPSTREAM_RESOLVER_H_
#define PROXY_UPSTREAM_RESOLVER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "reactor/address.h"
#include "reactor/clock.h"
#include "reactor/reactor.h"

namespace weir {

// Loop thread only (or any thread before the loop starts).
class Resolver {
 public:
  struct Options {
    // Whom to ask: ADDRESS[:PORT],... with brackets around IPv6. Empty: as
    // /etc/resolv.conf says.
    std::string servers;
    // For one whole look-up, whatever number of servers and search domains: a
    // dead name server costs no more than this.
    Duration timeout = std::chrono::seconds(5);
    // Until the same question is sent again, doubled each time; `tries` in all.
    Duration try_timeout = std::chrono::milliseconds(1500);
    int tries = 3;
  };

  // The addresses (never none) in the order in which they should be tried (RFC
  // 6724), all with the port asked for. Errors: NotFound (no such name, or a
  // name without an address), DeadlineExceeded (nobody answered), Unavailable
  // (refused, failed or unreachable server), InvalidArgument (not a name); the
  // message is for people and names the host.
  using Callback =
      absl::AnyInvocable<void(absl::StatusOr<std::vector<Address>>) &&>;

  // InvalidArgument when `servers` cannot be parsed; Internal when c-ares
  // cannot start. `reactor` outlives the resolver.
  static absl::StatusOr<std::unique_ptr<Resolver>> Create(Reactor* reactor,
                                                          Options options);

  // Look-ups in flight end; their callbacks are destroyed, unrun. Not from a
  // callback.
  virtual ~Resolver() = default;

  // `done` runs once, possibly before this returns (hosts file, an address
  // literal, a bad name).
  virtual void Resolve(const std::string& host, uint16_t port,
                       Callback done) = 0;
};

}  // namespace weir

#endif  // PROXY_UPSTREAM_RESOLVER_H_
