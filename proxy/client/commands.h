// Public. The commands that speak to a running weir.

#ifndef PROXY_CLIENT_COMMANDS_H_
#define PROXY_CLIENT_COMMANDS_H_

#include "proxy/config/client_command.h"

namespace weir {

// Runs the command and returns the exit code: 0, or 1 when it failed or the
// proxy that `status` tells of is not ready. The result goes to stdout; an
// error is one line on stderr. One thread, at most once a process.
int RunClient(const ClientCommand& command);

}  // namespace weir

#endif  // PROXY_CLIENT_COMMANDS_H_
