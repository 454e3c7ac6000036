// Internal to proxy/lifecycle. What is wrong with the file of the access log,
// as an error line that says the way out.

#ifndef PROXY_LIFECYCLE_ACCESS_LOG_ERROR_H_
#define PROXY_LIFECYCLE_ACCESS_LOG_ERROR_H_

#include <chrono>
#include <string>

#include "absl/status/status.h"
#include "reactor/clock.h"

namespace weir {

// How long its file system may take to open `file`, and the error when it takes
// longer.
inline constexpr Duration kAccessLogOpenWithin = std::chrono::seconds(5);
absl::Status AccessLogHangs(const std::string& file);

// `trouble` is why AsyncFile cannot open it, but that a FIFO has no reader.
absl::Status AccessLogError(const absl::Status& trouble);

}  // namespace weir

#endif  // PROXY_LIFECYCLE_ACCESS_LOG_ERROR_H_
