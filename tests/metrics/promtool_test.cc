// promtool (Debian's package "prometheus") has nothing to say against a page.

#include <sys/wait.h>

#include <cstdint>
#include <cstdio>
#include <string>

#include "gtest/gtest.h"
#include "metrics/instrument.h"
#include "metrics/lag_histogram.h"
#include "metrics/process_metrics.h"
#include "metrics/registry.h"

namespace weir {
namespace {

// promtool's exit status: 0 fine, 3 lint, 1 not a page.
int Promtool(const std::string& page) {
  std::FILE* tool = popen("promtool check metrics >&2", "w");
  if (tool == nullptr) return -1;
  std::fwrite(page.data(), 1, page.size(), tool);
  const int status = pclose(tool);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Promtool, AcceptsARepresentativePage) {
  Registry registry;
  Counter counter;
  Gauge gauge;
  LagHistogram lag;
  AddProcessMetrics(&registry);
  registry.AddGauge("weir_build_info", "Version.", {{"version", "0.1.0"}},
                    [] { return 1.0; });
  int64_t now = 0;
  const auto clock = [&now] { return now; };
  for (const char* reactor : {"0", "1", "control"}) {
    registry.AddLagHistogram("weir_reactor_lag_seconds", "Lag.",
                             {{"reactor", reactor}},
                             [&] { return lag.Read(clock); });
    registry.AddCounter("weir_reactor_iterations_total", "Iterations.",
                        {{"reactor", reactor}}, &counter);
  }
  registry.AddGauge("weir_connections_active", "Connections.",
                    {{"forward", "p\"5432\\\n"}, {"state", "relaying"}},
                    &gauge);
  for (const int64_t busy : {1'000, 3'000'000, 700'000'000}) {
    lag.BeginWait(clock);
    now += 500'000;
    lag.EndWait(clock);
    now += busy;
  }
  counter.Add(uint64_t{1} << 60);
  gauge.Set(-3);
  const std::string page = registry.Serialize();
  EXPECT_EQ(Promtool(page), 0) << page;
}

TEST(Promtool, RefusesABadPage) {
  EXPECT_NE(Promtool("# TYPE x counter\nx 1\n"), 0);
  EXPECT_NE(Promtool("no page\n"), 0);
}

}  // namespace
}  // namespace weir
