// Public. How long something took, in the four bytes that a session can afford.

#ifndef PROXY_RELAY_BRIEF_DURATION_H_
#define PROXY_RELAY_BRIEF_DURATION_H_

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

#include "reactor/clock.h"

namespace weir {

// A value, or none: whole microseconds up to half an hour (2^31 of them), whole
// milliseconds up to 24 days, and those for what is longer.
class BriefDuration {
 public:
  BriefDuration() = default;  // none
  // One below zero counts as zero.
  explicit BriefDuration(Duration duration) {
    using std::chrono::floor;
    const int64_t micros = std::max<int64_t>(
        floor<std::chrono::microseconds>(duration).count(), 0);
    code_ =
        micros < kMillis
            ? static_cast<uint32_t>(micros)
            : static_cast<uint32_t>(kMillis + std::min(micros / 1000, kMost));
  }

  std::optional<Duration> value() const {
    if (code_ == kNone) return std::nullopt;
    if (code_ < kMillis) return std::chrono::microseconds(code_);
    return std::chrono::milliseconds(code_ - kMillis);
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr int64_t kMillis = int64_t{1} << 31;  // from here on
  static constexpr int64_t kMost = kMillis - 2;

  uint32_t code_ = kNone;
};

}  // namespace weir

#endif  // PROXY_RELAY_BRIEF_DURATION_H_
