// Internal to proxy/observe. A record as the line that is printed.

#ifndef PROXY_OBSERVE_LOG_FORMAT_H_
#define PROXY_OBSERVE_LOG_FORMAT_H_

#include <cstdint>
#include <string>

#include "proxy/observe/log_ring.h"

namespace weir {

// One thread. Turning seconds into local time costs a lock in libc and a file
// read the first time, so this belongs to the writer.
class LogFormatter {
 public:
  // Appends `14:03:07.112 text` and a line end; the text is escaped.
  void Append(const LogRecord& record, std::string* out);

 private:
  void AppendTime(int64_t wall_nanos, std::string* out);

  // The second that text_ was made for.
  int64_t second_ = INT64_MIN;
  std::string text_;
};

}  // namespace weir

#endif  // PROXY_OBSERVE_LOG_FORMAT_H_
