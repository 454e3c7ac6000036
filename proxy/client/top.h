// Public. `weir top`.

#ifndef PROXY_CLIENT_TOP_H_
#define PROXY_CLIENT_TOP_H_

#include "proxy/client/find_weir.h"

namespace weir {

// Until a key or a signal ends it; on a stdout that is no terminal, one
// snapshot of a second. The exit code: 0, or 1 with a line on stderr when the
// proxy cannot be reached at the start.
int RunTop(const FoundWeir& weir);

}  // namespace weir

#endif  // PROXY_CLIENT_TOP_H_
