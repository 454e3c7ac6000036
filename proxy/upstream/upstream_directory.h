// Public. Where the targets of all forwards are, kept up to date on the control
// loop: resolved at the start, and again when a reactor finds that no address
// of a target takes connections.

#ifndef PROXY_UPSTREAM_UPSTREAM_DIRECTORY_H_
#define PROXY_UPSTREAM_UPSTREAM_DIRECTORY_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "proxy/config/forward_spec.h"
#include "proxy/upstream/address_list.h"
#include "proxy/upstream/dns_metrics.h"
#include "proxy/upstream/resolver.h"
#include "reactor/reactor.h"

namespace weir {

// Control loop only (or any thread before that loop starts).
class UpstreamDirectory {
 public:
  // Told of each new list of target number `target`. Must not destroy the
  // directory. May run before Start() or ResolveAgain() returns.
  using Publish = absl::AnyInvocable<void(size_t target, AddressListPtr list)>;

  // Target i is that of forward i. `control` outlives this.
  UpstreamDirectory(Reactor* control, std::unique_ptr<Resolver> resolver,
                    const std::vector<TargetSpec>& targets, Publish publish);
  // Look-ups in flight are given up; nothing is published any more.
  ~UpstreamDirectory();
  UpstreamDirectory(const UpstreamDirectory&) = delete;
  UpstreamDirectory& operator=(const UpstreamDirectory&) = delete;

  // Publishes the targets that need no look-up (address literals, unix paths)
  // at once and starts to resolve the others. A failed look-up is repeated
  // after 1 s, doubled up to 30 s, until one succeeds. It keeps the last good
  // addresses (reliability D01), except that a name which does not exist three
  // times in a row has none.
  void Start();

  // A reactor asks, because connecting to every address of the list failed.
  // Requests while a look-up runs or is due are one; two look-ups of a target
  // begin at least 1 s apart. Nothing for targets that need no look-up.
  void ResolveAgain(size_t target);

  // The last list published, or an empty one of generation 0.
  AddressListPtr Current(size_t target) const;
  size_t size() const { return targets_.size(); }

  // Of the names that were looked up. Read by any thread.
  const DnsMetrics& dns_metrics() const { return metrics_; }

 private:
  class Target;

  // Destroyed first (it is the last member), so that no callback comes to a
  // target that is gone.
  Publish publish_;
  DnsMetrics metrics_;
  std::vector<std::unique_ptr<Target>> targets_;
  std::unique_ptr<Resolver> resolver_;
};

}  // namespace weir

#endif  // PROXY_UPSTREAM_UPSTREAM_DIRECTORY_H_
