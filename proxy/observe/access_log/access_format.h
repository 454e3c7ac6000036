// Public. A record as the line that is written.

#ifndef PROXY_OBSERVE_ACCESS_LOG_ACCESS_FORMAT_H_
#define PROXY_OBSERVE_ACCESS_LOG_ACCESS_FORMAT_H_

#include <cstddef>
#include <string>

#include "proxy/config/access_format_kind.h"
#include "proxy/observe/access_log/access_record.h"

namespace weir {

// Appends one line with its end: valid UTF-8, no control characters but that
// end, at most kMaxAccessLine bytes whatever the texts are (long ones are cut,
// and end in "..."). Times are UTC with microseconds (RFC 3339), durations
// seconds. The keys, always in this order; what is absent is left out:
//
//   time event forward connection reactor client target upstream duration
//   connect first_byte bytes_up bytes_down client_retransmits
//   upstream_retransmits reason
//
// Allocates only where a text has to be escaped, or `out` grows. Any thread.
inline constexpr size_t kMaxAccessLine = 8 * 1024;
void AppendAccessLine(AccessFormat format, const AccessRecord& record,
                      std::string* out);

}  // namespace weir

#endif  // PROXY_OBSERVE_ACCESS_LOG_ACCESS_FORMAT_H_
