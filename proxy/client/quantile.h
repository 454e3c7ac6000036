// Public. Percentiles of a time window, from a histogram's cumulative buckets.

#ifndef PROXY_CLIENT_QUANTILE_H_
#define PROXY_CLIENT_QUANTILE_H_

#include <optional>
#include <vector>

namespace weir {

// As Prometheus has them: counts[i] samples are at most bounds[i]; the last
// bound is infinite. Both of the same size; empty: no histogram.
struct Buckets {
  std::vector<double> bounds;
  std::vector<double> counts;

  double total() const { return counts.empty() ? 0 : counts.back(); }
};

// What came between two readings of one histogram. All of `after` when
// `before` is of another process (other bounds, or more samples).
Buckets Difference(const Buckets& before, const Buckets& after);

// The value that the share `q` of the samples does not exceed, as Prometheus'
// histogram_quantile() says it: linear between the bounds of its bucket, the
// first of which begins at 0; the highest finite bound where it lies beyond.
// Nothing without samples.
std::optional<double> Quantile(const Buckets& buckets, double q);

// The upper bound of the highest bucket with a sample in it, which may be
// infinite: no sample was larger. Nothing without samples.
std::optional<double> Worst(const Buckets& buckets);

}  // namespace weir

#endif  // PROXY_CLIENT_QUANTILE_H_
