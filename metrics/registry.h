// Public. The metrics of a process: families, their children, and what each
// child's value is read from.

#ifndef METRICS_REGISTRY_H_
#define METRICS_REGISTRY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "metrics/histogram.h"
#include "metrics/instrument.h"
#include "metrics/lag_histogram.h"
#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"

namespace weir {

// In the order in which they are exported.
using MetricLabels = std::vector<std::pair<std::string, std::string>>;

// Two phases. First everything is added, by one thread, while the process is
// composed. After that the registry does not change, and any thread may scrape
// it, several at a time.
//
// Adding the same name and labels again adds a shard: a child's value is the
// sum of all that were added for it. So an instrument of four reactors is added
// four times, and opened minus closed may be negative on one shard. Names are
// given whole, any prefix included. It is a broken invariant (CHECK) to give a
// family two types or helps, or a name or label that Prometheus does not allow.
//
// Families and children come out in the order in which they were first added.
// What is added outlives the last scrape. Functions run on the scraping thread
// and must not block.
class Registry : public prometheus::Collectable {
 public:
  Registry();
  ~Registry() override;
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // Counters; the name ends in _total. A value that falls (for it was read in
  // the middle of a change) is exported as it was before.
  void AddCounter(const std::string& name, const std::string& help,
                  const MetricLabels& labels, const Counter* counter);
  void AddCounter(const std::string& name, const std::string& help,
                  const MetricLabels& labels, std::function<double()> value);

  void AddGauge(const std::string& name, const std::string& help,
                const MetricLabels& labels, const Gauge* gauge);
  void AddGauge(const std::string& name, const std::string& help,
                const MetricLabels& labels, std::function<double()> value);

  // The function reads a Histogram. All shards of a child, and all children of
  // a family, have the same bounds.
  void AddHistogram(const std::string& name, const std::string& help,
                    const MetricLabels& labels,
                    std::function<HistogramSample()> read);

  // The function reads a LagHistogram; see LagSample for what is exported.
  void AddLagHistogram(const std::string& name, const std::string& help,
                       const MetricLabels& labels,
                       std::function<LagHistogram::Snapshot()> read);

  std::vector<prometheus::MetricFamily> Collect() const override;

  // The text exposition format 0.0.4, with kContentType.
  std::string Serialize() const;
  static constexpr char kContentType[] =
      "text/plain; version=0.0.4; charset=utf-8";

 private:
  class Child;
  struct Family;

  enum class Kind { kCounter, kGauge, kHistogram, kLag };

  Child* FindOrAdd(Kind kind, const std::string& name, const std::string& help,
                   const MetricLabels& labels);

  // Constant after composing.
  std::vector<std::unique_ptr<Family>> families_;
  std::map<std::string, Family*> by_name_;
};

}  // namespace weir

#endif  // METRICS_REGISTRY_H_
