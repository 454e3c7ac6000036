// Public. Readings of a proxy, a while apart.

#ifndef PROXY_CLIENT_SAMPLER_H_
#define PROXY_CLIENT_SAMPLER_H_

#include "absl/status/statusor.h"
#include "proxy/client/admin_client.h"
#include "proxy/client/overview.h"
#include "proxy/client/readings.h"
#include "reactor/clock.h"

namespace weir {

// One thread.
class Sampler {
 public:
  // `client` is not owned.
  explicit Sampler(const AdminClient* client) : client_(client) {}

  // What happened since the last call; at the first one, since the proxy
  // started. Errors as of AdminClient::Get().
  absl::StatusOr<Overview> Take();

 private:
  const AdminClient* const client_;
  StatusReading before_;
};

// Waits, at most until `fd` is readable (-1: none); true when it is.
bool WaitFor(Duration time, int fd = -1);

}  // namespace weir

#endif  // PROXY_CLIENT_SAMPLER_H_
