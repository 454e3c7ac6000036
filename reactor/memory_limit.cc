#include "reactor/memory_limit.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <limits>
#include <string>

#include "absl/strings/numbers.h"
#include "reactor/cgroup.h"

namespace weir {
namespace {

constexpr int64_t kNone = std::numeric_limits<int64_t>::max();

// Version 2 says "max" for none; version 1 says a number of nearly 2^63, which
// needs no special case.
int64_t LimitIn(const std::string& file) {
  int64_t bytes = 0;
  return absl::SimpleAtoi(FirstLine(file), &bytes) && bytes >= 0 ? bytes
                                                                 : kNone;
}

int64_t PhysicalMemory(const std::string& root) {
  std::ifstream table(root + "/proc/meminfo");
  std::string name;
  std::string unit;
  int64_t kibibytes = 0;
  while (table >> name >> kibibytes && std::getline(table, unit)) {
    if (name == "MemTotal:") return kibibytes * 1024;
  }
  return kNone;
}

}  // namespace

int64_t MemoryLimit(const std::string& root) {
  const Cgroup cgroup(root);
  int64_t least = PhysicalMemory(root);
  for (const std::string& directory : cgroup.Version2().directories) {
    least = std::min(least, LimitIn(directory + "/memory.max"));
  }
  for (const std::string& directory : cgroup.Version1("memory").directories) {
    least = std::min(least, LimitIn(directory + "/memory.limit_in_bytes"));
  }
  return least == kNone ? 0 : least;
}

}  // namespace weir
