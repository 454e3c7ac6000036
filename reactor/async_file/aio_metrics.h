// Public. What is counted of asynchronous file I/O.

#ifndef REACTOR_ASYNC_FILE_AIO_METRICS_H_
#define REACTOR_ASYNC_FILE_AIO_METRICS_H_

#include <array>
#include <cstdint>
#include <string>

#include "metrics/histogram.h"
#include "metrics/instrument.h"
#include "metrics/registry.h"
#include "reactor/clock.h"

namespace weir {

inline constexpr std::array<int64_t, 10> kFileTimesNs = {
    100'000,     500'000,       1'000'000,     5'000'000,      10'000'000,
    100'000'000, 1'000'000'000, 5'000'000'000, 10'000'000'000, 60'000'000'000};

// Written by the loop, read by any thread.
struct alignas(kCacheLine) AioMetrics {
  std::array<Counter, 3> requests;  // by AioKind; each once, however often it
                                    // was submitted
  Counter failed;
  // Submissions beyond the first: the rest of a partial transfer, and what was
  // refused or ended with EAGAIN.
  Counter resubmitted;
  // Seen to be over by a look, where a signal or a thread should have told.
  Counter unnoticed;
  Gauge outstanding;
  // When the oldest of them was queued (nanoseconds of the loop's clock); 0:
  // there is none.
  Gauge oldest_at;
  Histogram<kFileTimesNs> seconds;

  // `clock` is the loop's and outlives the registry's last scrape, as this
  // does.
  void Register(const std::string& prefix, Clock* clock,
                Registry* registry) const;
};

}  // namespace weir

#endif  // REACTOR_ASYNC_FILE_AIO_METRICS_H_
