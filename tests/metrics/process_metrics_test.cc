#include "metrics/process_metrics.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <map>
#include <string>

#include "gtest/gtest.h"
#include "metrics/registry.h"
#include "prometheus/metric_family.h"
#include "prometheus/metric_type.h"

namespace weir {
namespace {

std::map<std::string, double> Values(const Registry& registry) {
  std::map<std::string, double> values;
  for (const auto& family : registry.Collect()) {
    values[family.name] = family.type == prometheus::MetricType::Counter
                              ? family.metric[0].counter.value
                              : family.metric[0].gauge.value;
  }
  return values;
}

TEST(ProcessMetrics, TellOfThisProcess) {
  Registry registry;
  AddProcessMetrics(&registry);
  const auto before = Values(registry);
  ASSERT_EQ(before.size(), 5u);
  EXPECT_GT(before.at("process_cpu_seconds_total"), 0);
  EXPECT_GT(before.at("process_resident_memory_bytes"), 1 << 20);
  EXPECT_GE(before.at("process_max_fds"), before.at("process_open_fds"));
  const double now = static_cast<double>(time(nullptr));
  EXPECT_LE(before.at("process_start_time_seconds"), now + 2);
  EXPECT_GT(before.at("process_start_time_seconds"), now - 3600);

  const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(Values(registry).at("process_open_fds"),
            before.at("process_open_fds") + 1);
  close(fd);
}

}  // namespace
}  // namespace weir
