// Public. The lines of -v: one when a connection opens, one when it closes.

#ifndef PROXY_RELAY_SESSION_LOG_H_
#define PROXY_RELAY_SESSION_LOG_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "proxy/observe/close_reason.h"
#include "proxy/relay/session.h"
#include "reactor/clock.h"

namespace weir {

// "pg#17 open 127.0.0.1:50212 -> db1:5432 (10.0.0.5) 1.2ms r1"
std::string OpenLine(const Session& session, MonoTime now, size_t reactor);

// "pg#17 close 3.41s up 12.3KiB down 4.5MiB client_fin"
std::string CloseLine(const Session& session, MonoTime now, CloseReason reason);

// "pg: cannot connect to db1:5432 (10.0.0.5): Connection refused"
std::string ConnectFailedLine(const Session& session);

// Three significant digits and a unit: "812us", "1.20ms", "3.41s", "2h05m".
std::string ShortDuration(Duration duration);
// "0B", "812B", "12.3KiB", "4.50GiB".
std::string ShortSize(uint64_t bytes);

}  // namespace weir

#endif  // PROXY_RELAY_SESSION_LOG_H_
