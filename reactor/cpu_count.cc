#include "reactor/cpu_count.h"

#include <errno.h>
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "reactor/cgroup.h"

namespace weir {
namespace {

// Far beyond what Linux can be built for.
constexpr int kMostCpus = 1 << 20;

struct CpuSetFree {
  void operator()(cpu_set_t* set) const { CPU_FREE(set); }
};

// `quota` and `period` in microseconds, as text; nothing for "max", -1 and what
// makes no sense.
std::optional<double> Processors(const std::string& quota,
                                 const std::string& period) {
  int64_t quota_us = 0;
  int64_t period_us = 0;
  if (!absl::SimpleAtoi(quota, &quota_us) ||
      !absl::SimpleAtoi(period, &period_us) || quota_us <= 0 ||
      period_us <= 0) {
    return std::nullopt;
  }
  return static_cast<double>(quota_us) / static_cast<double>(period_us);
}

void TakeSmaller(std::optional<double> candidate,
                 std::optional<double>* smallest) {
  if (candidate.has_value() && candidate < smallest->value_or(HUGE_VAL)) {
    *smallest = candidate;
  }
}

}  // namespace

std::vector<int> AllowedCpus() {
  // EINVAL: the kernel's mask is longer.
  for (int cpus = CPU_SETSIZE; cpus <= kMostCpus; cpus *= 2) {
    const std::unique_ptr<cpu_set_t, CpuSetFree> set(CPU_ALLOC(cpus));
    const size_t size = CPU_ALLOC_SIZE(cpus);
    if (set == nullptr) break;
    if (sched_getaffinity(0, size, set.get()) != 0) {
      if (errno == EINVAL) continue;
      break;
    }
    std::vector<int> allowed;
    for (int cpu = 0; cpu < cpus; ++cpu) {
      if (CPU_ISSET_S(cpu, size, set.get())) allowed.push_back(cpu);
    }
    if (!allowed.empty()) return allowed;
    break;
  }
  return {0};
}

std::optional<double> CpuQuota(const std::string& root) {
  const Cgroup cgroup(root);
  std::optional<double> smallest;
  for (const std::string& directory : cgroup.Version2().directories) {
    // "QUOTA PERIOD" or "max PERIOD".
    const std::vector<std::string> words =
        absl::StrSplit(FirstLine(directory + "/cpu.max"), ' ');
    if (words.size() == 2)
      TakeSmaller(Processors(words[0], words[1]), &smallest);
  }
  for (const std::string& directory : cgroup.Version1("cpu").directories) {
    TakeSmaller(Processors(FirstLine(directory + "/cpu.cfs_quota_us"),
                           FirstLine(directory + "/cpu.cfs_period_us")),
                &smallest);
  }
  return smallest;
}

int CpuCount(const std::string& root) {
  const auto allowed = static_cast<double>(AllowedCpus().size());
  const double quota = std::ceil(CpuQuota(root).value_or(allowed));
  return std::max(1, static_cast<int>(std::min(allowed, quota)));
}

}  // namespace weir
