// Internal to metrics/. One request of evhttp and its answer, in our terms.

#ifndef METRICS_HTTP_EXCHANGE_H_
#define METRICS_HTTP_EXCHANGE_H_

#include <optional>

#include "event2/http.h"
#include "metrics/http_guard.h"
#include "metrics/http_message.h"

namespace weir {

// The descriptor of the request's connection, -1 when it is gone.
int ConnectionFd(evhttp_request* request);

// HEAD counts as GET; nothing for any other method.
std::optional<HttpMethod> MethodOf(evhttp_request* request);

// Path, query and body; nothing when the target is no path.
std::optional<HttpRequest> Parse(evhttp_request* request);

RequestFacts FactsOf(evhttp_request* request);

// Sends the answer, without its body to a HEAD. `request` is evhttp's again.
void Send(evhttp_request* request, const HttpResponse& response);

}  // namespace weir

#endif  // METRICS_HTTP_EXCHANGE_H_
