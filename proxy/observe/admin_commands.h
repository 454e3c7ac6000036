// Internal to observe. POST /debug/stall and /log_level.

#ifndef PROXY_OBSERVE_ADMIN_COMMANDS_H_
#define PROXY_OBSERVE_ADMIN_COMMANDS_H_

#include <functional>
#include <string>
#include <vector>

#include "metrics/http_message.h"
#include "metrics/http_reply.h"
#include "proxy/observe/admin_sources.h"
#include "proxy/observe/log_writer.h"

namespace weir {

// ?reactor=NAME&ms=N[&how=cpu|blocked][&connection=ID]. `inject` is null where
// that is not allowed; it only posts. Answers when the stall was ordered; with
// a connection, when it begins.
HttpDeferral PostStall(const HttpRequest& request, HttpReply reply,
                       const std::vector<std::string>& loops,
                       const std::function<void(StallOrder)>& inject);

// ?level=error|warning|info|verbose.
HttpResponse PostLogLevel(const HttpRequest& request,
                          const std::function<void(LogLevel)>& set_level);

}  // namespace weir

#endif  // PROXY_OBSERVE_ADMIN_COMMANDS_H_
