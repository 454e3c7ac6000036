// Public. What people are told of the access log.

#ifndef PROXY_OBSERVE_ACCESS_LOG_ACCESS_LOG_STATUS_H_
#define PROXY_OBSERVE_ACCESS_LOG_ACCESS_LOG_STATUS_H_

#include <cstdint>
#include <string>

namespace weir {

struct AccessLogStatus {
  std::string file;
  bool up = false;  // lines get into the file
  // "opening", "writing", "hanging: ...", "failing: ...".
  std::string state;
  uint64_t lines = 0;    // that are in the file
  uint64_t dropped = 0;  // for whatever reason
};

}  // namespace weir

#endif  // PROXY_OBSERVE_ACCESS_LOG_ACCESS_LOG_STATUS_H_
