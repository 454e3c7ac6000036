#include "metrics/registry_json.h"

#include <cmath>
#include <cstdint>
#include <utility>

#include "prometheus/client_metric.h"
#include "prometheus/metric_type.h"

namespace weir {
namespace {

using Json = nlohmann::ordered_json;
using prometheus::ClientMetric;
using prometheus::MetricType;

// Up to here every whole number is a double.
constexpr double kLargestExact = 9007199254740992.0;

// The registry has no other types.
const char* TypeName(MetricType type) {
  return type == MetricType::Counter ? "counter"
         : type == MetricType::Gauge ? "gauge"
                                     : "histogram";
}

Json Series(MetricType type, const ClientMetric& metric) {
  Json labels = Json::object();
  for (const ClientMetric::Label& label : metric.label) {
    labels[label.name] = label.value;
  }
  Json series = {{"labels", std::move(labels)}};
  switch (type) {
    case MetricType::Counter:
      series["value"] = JsonNumber(metric.counter.value);
      break;
    case MetricType::Gauge:
      series["value"] = JsonNumber(metric.gauge.value);
      break;
    default: {
      Json buckets = Json::array();
      for (const ClientMetric::Bucket& bucket : metric.histogram.bucket) {
        const bool last = std::isinf(bucket.upper_bound);
        buckets.push_back(
            Json::array({last ? Json("+Inf") : Json(bucket.upper_bound),
                         bucket.cumulative_count}));
      }
      series["count"] = metric.histogram.sample_count;
      series["sum"] = JsonNumber(metric.histogram.sample_sum);
      series["buckets"] = std::move(buckets);
    }
  }
  return series;
}

}  // namespace

Json JsonNumber(double value) {
  if (!std::isfinite(value)) return nullptr;
  if (std::fabs(value) <= kLargestExact && std::trunc(value) == value) {
    return static_cast<int64_t>(value);
  }
  return value;
}

Json MetricsJson(const std::vector<prometheus::MetricFamily>& families) {
  Json all = Json::object();
  for (const prometheus::MetricFamily& family : families) {
    Json series = Json::array();
    for (const ClientMetric& metric : family.metric) {
      series.push_back(Series(family.type, metric));
    }
    all.push_back(
        {family.name,
         {{"type", TypeName(family.type)}, {"series", std::move(series)}}});
  }
  return all;
}

std::string DumpJson(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace weir
