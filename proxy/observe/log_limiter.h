// Public. Keeps a warning that repeats from filling the log.

#ifndef PROXY_OBSERVE_LOG_LIMITER_H_
#define PROXY_OBSERVE_LOG_LIMITER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "reactor/clock.h"

namespace weir {

// One a kind of message and a thread. Told the time.
class LogLimiter {
 public:
  // One message in each `interval`.
  explicit LogLimiter(Duration interval) : interval_(interval) {}

  // Whether the message may be printed at `now`: then the number of those that
  // were refused since the last one, to be told in it.
  std::optional<uint64_t> Allow(MonoTime now) {
    if (last_ != kNever && now - last_ < interval_) {
      ++refused_;
      return std::nullopt;
    }
    last_ = now;
    return std::exchange(refused_, 0);
  }

 private:
  const Duration interval_;
  MonoTime last_ = kNever;
  uint64_t refused_ = 0;
};

// What a message says at its end of those that were refused before it.
inline std::string MoreLikeIt(uint64_t refused) {
  return refused == 0 ? "" : " (" + std::to_string(refused) + " more like it)";
}

}  // namespace weir

#endif  // PROXY_OBSERVE_LOG_LIMITER_H_
