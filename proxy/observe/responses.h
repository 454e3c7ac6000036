// Internal to observe. The two kinds of answers of the admin port.

#ifndef PROXY_OBSERVE_RESPONSES_H_
#define PROXY_OBSERVE_RESPONSES_H_

#include <string>

#include "metrics/http_message.h"
#include "nlohmann/json.hpp"

namespace weir {

inline constexpr int kHttpOk = 200;
inline constexpr int kHttpAccepted = 202;
inline constexpr int kHttpBadRequest = 400;
inline constexpr int kHttpForbidden = 403;
inline constexpr int kHttpNotFound = 404;
inline constexpr int kHttpUnavailable = 503;
inline constexpr int kHttpTimeout = 504;

inline constexpr char kJsonType[] = "application/json";

// A text, to which a line end is added.
HttpResponse TextResponse(int status, const std::string& line);

// JSON, and a line end, so that it ends well in a terminal.
HttpResponse JsonResponse(int status, const nlohmann::ordered_json& json);

}  // namespace weir

#endif  // PROXY_OBSERVE_RESPONSES_H_
