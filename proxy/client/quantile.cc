#include "proxy/client/quantile.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace weir {

Buckets Difference(const Buckets& before, const Buckets& after) {
  if (before.bounds != after.bounds) return after;
  Buckets difference = after;
  for (size_t i = 0; i < after.counts.size(); ++i) {
    if (after.counts[i] < before.counts[i]) return after;
    difference.counts[i] -= before.counts[i];
    // A reading may be no snapshot: cumulative counts stay in order.
    if (i > 0) {
      difference.counts[i] =
          std::max(difference.counts[i], difference.counts[i - 1]);
    }
  }
  return difference;
}

std::optional<double> Quantile(const Buckets& buckets, double q) {
  if (!(buckets.total() > 0)) return {};
  const double rank = q * buckets.total();
  const auto found =
      std::lower_bound(buckets.counts.begin(), buckets.counts.end(), rank);
  const size_t i = std::min(static_cast<size_t>(found - buckets.counts.begin()),
                            buckets.counts.size() - 1);
  if (std::isinf(buckets.bounds[i])) return i > 0 ? buckets.bounds[i - 1] : 0;
  const double low = i > 0 ? buckets.bounds[i - 1] : 0;
  const double below = i > 0 ? buckets.counts[i - 1] : 0;
  const double within = buckets.counts[i] - below;
  if (!(within > 0)) return buckets.bounds[i];  // q is 0
  return low + (buckets.bounds[i] - low) * (rank - below) / within;
}

std::optional<double> Worst(const Buckets& buckets) {
  std::optional<double> worst;
  double below = 0;
  for (size_t i = 0; i < buckets.counts.size(); ++i) {
    if (buckets.counts[i] > below) worst = buckets.bounds[i];
    below = buckets.counts[i];
  }
  return worst;
}

}  // namespace weir
