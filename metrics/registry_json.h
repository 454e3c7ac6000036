// Public. Metrics for programs that read JSON.

#ifndef METRICS_REGISTRY_JSON_H_
#define METRICS_REGISTRY_JSON_H_

#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "prometheus/metric_family.h"

namespace weir {

// One object, a member a family, in their order:
//
//   "weir_reactor_lag_seconds": {"type": "histogram", "series": [
//       {"labels": {"reactor": "0"}, "count": 1000, "sum": 0.1,
//        "buckets": [[0.0001, 900], ..., ["+Inf", 1000]]}]}
//   "weir_ready": {"type": "gauge", "series": [{"labels": {}, "value": 1}]}
//
// Buckets are cumulative. What JSON has no number for is null.
nlohmann::ordered_json MetricsJson(
    const std::vector<prometheus::MetricFamily>& families);

// Whole numbers without a fraction, what is not finite as null.
nlohmann::ordered_json JsonNumber(double value);

// In one line. Never throws: bytes that are not UTF-8 become U+FFFD.
std::string DumpJson(const nlohmann::ordered_json& json);

}  // namespace weir

#endif  // METRICS_REGISTRY_JSON_H_
