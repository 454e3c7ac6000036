// Public. A histogram of durations: one writing thread, any reader.

#ifndef METRICS_HISTOGRAM_H_
#define METRICS_HISTOGRAM_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "metrics/instrument.h"

namespace weir {

// One moment of a histogram.
struct HistogramSample {
  std::span<const int64_t> bounds;  // upper ones, in nanoseconds; static
  // Of each bucket alone, the last one without an upper bound.
  std::vector<uint64_t> counts;
  double sum_seconds = 0;
};

// `kBoundsNs` is a static std::array<int64_t, n> of upper bounds, ascending.
template <const auto& kBoundsNs>
class Histogram {
 public:
  // Negative ones count as 0.
  void Observe(int64_t nanos) {
    if (nanos < 0) nanos = 0;
    // From below, for most of what is observed is short.
    size_t bucket = 0;
    while (bucket < kBoundsNs.size() && nanos > kBoundsNs[bucket]) ++bucket;
    counts_[bucket].Add();
    sum_ns_.Add(static_cast<uint64_t>(nanos));
  }

  // While it is written, the sum may be ahead of the counts or behind them by
  // what is being observed.
  HistogramSample Read() const {
    HistogramSample sample;
    sample.bounds = kBoundsNs;
    for (const Counter& count : counts_) {
      sample.counts.push_back(count.Value());
    }
    sample.sum_seconds = static_cast<double>(sum_ns_.Value()) * 1e-9;
    return sample;
  }

 private:
  std::array<Counter, kBoundsNs.size() + 1> counts_;
  Counter sum_ns_;  // wraps after 584 years of what is observed
};

}  // namespace weir

#endif  // METRICS_HISTOGRAM_H_
