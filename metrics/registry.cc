#include "metrics/registry.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <mutex>
#include <numeric>
#include <span>
#include <utility>

#include "glog/logging.h"
#include "prometheus/check_names.h"
#include "prometheus/client_metric.h"
#include "prometheus/metric_type.h"
#include "prometheus/text_serializer.h"

namespace weir {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// Divided by, not multiplied with its inverse, so that a bound of 5 ms is
// printed as 0.005.
constexpr double kNanosPerSecond = 1e9;

// `cumulative` has one number more than `bounds`, for what no bound holds.
void Export(std::span<const int64_t> bounds,
            std::span<const uint64_t> cumulative, double sum_seconds,
            ClientMetric::Histogram* out) {
  for (size_t j = 0; j < cumulative.size(); ++j) {
    const double bound = j < bounds.size()
                             ? static_cast<double>(bounds[j]) / kNanosPerSecond
                             : std::numeric_limits<double>::infinity();
    out->bucket.push_back({cumulative[j], bound});
  }
  out->sample_count = cumulative.back();
  out->sample_sum = sum_seconds;
}

}  // namespace

// One label set of a family: what its shards are read from.
class Registry::Child {
 public:
  explicit Child(const MetricLabels& labels) : labels_(labels) {}

  // While composing.
  void Add(std::function<double()> value) {
    values_.push_back({std::move(value), 0});
  }
  void Add(std::function<HistogramSample()> read) {
    histograms_.push_back(std::move(read));
  }
  void Add(std::function<LagHistogram::Snapshot()> read) {
    lags_.push_back({std::move(read), {}});
  }
  bool HasLabels(const MetricLabels& labels) const { return labels_ == labels; }

  // Any thread.
  ClientMetric Collect(Kind kind) {
    ClientMetric metric;
    for (const auto& [name, value] : labels_) {
      metric.label.push_back({name, value});
    }
    switch (kind) {
      case Kind::kCounter:
        metric.counter.value = SumCounters();
        break;
      case Kind::kGauge:
        metric.gauge.value = Sum();
        break;
      case Kind::kHistogram:
        ExportHistograms(&metric.histogram);
        break;
      case Kind::kLag: {
        const LagSample lag = SumLags();
        Export(LagHistogram::kBounds, lag.cumulative, lag.sum_seconds,
               &metric.histogram);
        break;
      }
    }
    return metric;
  }

 private:
  struct Lag {
    std::function<LagHistogram::Snapshot()> read;
    LagSample exported;  // by the last scrape
  };

  struct Value {
    std::function<double()> read;
    double exported;  // by the last scrape; counters only
  };

  double Sum() const {
    double sum = 0;
    for (const Value& value : values_) sum += value.read();
    return sum;
  }

  // As for lags: what is read while it is written, or computed from several
  // numbers, may seem to fall by a little.
  double SumCounters() {
    double sum = 0;
    const std::lock_guard<std::mutex> lock(mutex_);
    for (Value& value : values_) {
      value.exported = std::max(value.exported, value.read());
      sum += value.exported;
    }
    return sum;
  }

  void ExportHistograms(ClientMetric::Histogram* out) const {
    HistogramSample sum = histograms_.front()();
    for (size_t i = 1; i < histograms_.size(); ++i) {
      const HistogramSample shard = histograms_[i]();
      CHECK_EQ(shard.counts.size(), sum.counts.size());
      for (size_t j = 0; j < sum.counts.size(); ++j) {
        sum.counts[j] += shard.counts[j];
      }
      sum.sum_seconds += shard.sum_seconds;
    }
    std::partial_sum(sum.counts.begin(), sum.counts.end(), sum.counts.begin());
    Export(sum.bounds, sum.counts, sum.sum_seconds, out);
  }

  LagSample SumLags() {
    LagSample sum;
    // Held while reading: a sample that is older than the exported one would
    // else be exported as if it were news.
    const std::lock_guard<std::mutex> lock(mutex_);
    for (Lag& lag : lags_) {
      LagSample sample = LagSample::From(lag.read());
      sample.RaiseTo(lag.exported);
      lag.exported = sample;
      sum.Add(sample);
    }
    return sum;
  }

  // Constant after composing, but for what a scrape remembers.
  const MetricLabels labels_;
  std::vector<Value> values_;
  std::vector<std::function<HistogramSample()>> histograms_;
  std::vector<Lag> lags_;
  std::mutex mutex_;  // guards `exported` against a second scrape
};

struct Registry::Family {
  std::string name;
  std::string help;
  Kind kind;
  std::vector<std::unique_ptr<Child>> children;
};

Registry::Registry() = default;
Registry::~Registry() = default;

Registry::Child* Registry::FindOrAdd(Kind kind, const std::string& name,
                                     const std::string& help,
                                     const MetricLabels& labels) {
  Family*& family = by_name_[name];
  if (family == nullptr) {
    CHECK(prometheus::CheckMetricName(name)) << name;
    families_.push_back(std::make_unique<Family>(Family{name, help, kind, {}}));
    family = families_.back().get();
  }
  CHECK(family->kind == kind) << name << " has two types";
  CHECK_EQ(family->help, help) << name << " has two helps";
  for (const auto& child : family->children) {
    if (child->HasLabels(labels)) return child.get();
  }
  for (const auto& [label, value] : labels) {
    CHECK(prometheus::CheckLabelName(label)) << name << " has label " << label;
  }
  family->children.push_back(std::make_unique<Child>(labels));
  return family->children.back().get();
}

void Registry::AddCounter(const std::string& name, const std::string& help,
                          const MetricLabels& labels, const Counter* counter) {
  AddCounter(name, help, labels,
             [counter] { return static_cast<double>(counter->Value()); });
}

void Registry::AddCounter(const std::string& name, const std::string& help,
                          const MetricLabels& labels,
                          std::function<double()> value) {
  FindOrAdd(Kind::kCounter, name, help, labels)->Add(std::move(value));
}

void Registry::AddGauge(const std::string& name, const std::string& help,
                        const MetricLabels& labels, const Gauge* gauge) {
  AddGauge(name, help, labels,
           [gauge] { return static_cast<double>(gauge->Value()); });
}

void Registry::AddGauge(const std::string& name, const std::string& help,
                        const MetricLabels& labels,
                        std::function<double()> value) {
  FindOrAdd(Kind::kGauge, name, help, labels)->Add(std::move(value));
}

void Registry::AddHistogram(const std::string& name, const std::string& help,
                            const MetricLabels& labels,
                            std::function<HistogramSample()> read) {
  FindOrAdd(Kind::kHistogram, name, help, labels)->Add(std::move(read));
}

void Registry::AddLagHistogram(const std::string& name, const std::string& help,
                               const MetricLabels& labels,
                               std::function<LagHistogram::Snapshot()> read) {
  FindOrAdd(Kind::kLag, name, help, labels)->Add(std::move(read));
}

std::vector<MetricFamily> Registry::Collect() const {
  std::vector<MetricFamily> families;
  families.reserve(families_.size());
  for (const auto& family : families_) {
    MetricFamily& out = families.emplace_back();
    out.name = family->name;
    out.help = family->help;
    switch (family->kind) {
      case Kind::kCounter:
        out.type = MetricType::Counter;
        break;
      case Kind::kGauge:
        out.type = MetricType::Gauge;
        break;
      case Kind::kHistogram:
      case Kind::kLag:
        out.type = MetricType::Histogram;
        break;
    }
    out.metric.reserve(family->children.size());
    for (const auto& child : family->children) {
      out.metric.push_back(child->Collect(family->kind));
    }
  }
  return families;
}

std::string Registry::Serialize() const {
  return prometheus::TextSerializer().Serialize(Collect());
}

}  // namespace weir
