// Public. Times and sizes as people write them.

#ifndef PROXY_CONFIG_UNITS_H_
#define PROXY_CONFIG_UNITS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "reactor/clock.h"

namespace weir {

// The longest time that may be written: 8760h, a year. Sums of a few of them
// with a clock's reading stay far from overflow; for ever is written `off`.
inline constexpr Duration kLongestDuration = std::chrono::hours(8760);

// A number and a unit, `ms` `s` `m` `h`: "250ms", "5s", "1.5m". Zero is parsed
// ("0" too, which needs no unit): whether it makes sense is the caller's to
// say. InvalidArgument says in a few words what is wrong; `*error_offset`,
// where given, is then the place in `text`.
absl::StatusOr<Duration> ParseDuration(std::string_view text,
                                       size_t* error_offset = nullptr);

// The shortest exact writing in one unit where there is one: "25s", "1.5s",
// "90s", "10m", "2h", "0s"; below a millisecond rounded to it; kForever is
// "off".
std::string FormatDuration(Duration duration);

// A size in bytes: a whole number, alone or with `KiB` `MiB` `GiB`: "64KiB",
// "1048576". Errors as above.
absl::StatusOr<int64_t> ParseSize(std::string_view text,
                                  size_t* error_offset = nullptr);

// The shortest exact writing of a size that is not negative: "64KiB", "1MiB",
// "1000", "0".
std::string FormatSize(int64_t bytes);

}  // namespace weir

#endif  // PROXY_CONFIG_UNITS_H_
