// Internal to tests/bench/load. All latencies of a run, so that percentiles are
// exact.

#ifndef TESTS_BENCH_LATENCY_LOG_H_
#define TESTS_BENCH_LATENCY_LOG_H_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace weir {

class LatencyLog {
 public:
  // Beyond some millions they are not kept.
  void Add(std::chrono::nanoseconds latency) {
    if (all_.size() < kMost) all_.push_back(latency.count());
  }

  void Clear() { all_.clear(); }

  // Members of a JSON object, in microseconds; empty without a latency.
  std::string Json() {
    if (all_.empty()) return "";
    std::sort(all_.begin(), all_.end());
    return ", \"p50_us\": " + Quantile(0.5) +
           ", \"p99_us\": " + Quantile(0.99) +
           ", \"p999_us\": " + Quantile(0.999) + ", \"max_us\": " + Quantile(1);
  }

 private:
  static constexpr size_t kMost = 4'000'000;

  // all_ is sorted and not empty.
  std::string Quantile(double q) const {
    const auto size = static_cast<double>(all_.size());
    const size_t at = std::min(all_.size() - 1, static_cast<size_t>(q * size));
    return std::to_string(static_cast<double>(all_[at]) / 1000);
  }

  std::vector<int64_t> all_;  // nanoseconds
};

}  // namespace weir

#endif  // TESTS_BENCH_LATENCY_LOG_H_
