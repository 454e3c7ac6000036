#include "proxy/relay/admission.h"

#include <algorithm>

namespace weir {

int64_t MaxConnections(const FdLimits& limits) {
  constexpr int64_t kFdsPerConnection = 2;
  const int64_t fds = std::min(limits.open_files, limits.poller_limit);
  int64_t most =
      (fds - kReservedFds - kAdminFds - limits.taken - limits.pipes) /
      kFdsPerConnection;
  if (limits.configured > 0) most = std::min(most, limits.configured);
  return std::max<int64_t>(most, 0);
}

}  // namespace weir
