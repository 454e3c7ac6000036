#include "metrics/process_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

namespace weir {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

double CpuSeconds() {
  rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) != 0) return kUnknown;
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) +
           static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  int64_t size, resident;
  if (!(file >> size >> resident)) return kUnknown;
  return static_cast<double>(resident) *
         static_cast<double>(sysconf(_SC_PAGESIZE));
}

double OpenFds() {
  DIR* dir = opendir("/proc/self/fd");
  if (dir == nullptr) return kUnknown;
  int count = 0;
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] != '.') ++count;
  }
  closedir(dir);
  return count - 1;  // without that of the directory itself
}

double MaxFds() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return kUnknown;
  if (limit.rlim_cur == RLIM_INFINITY) {
    return std::numeric_limits<double>::infinity();
  }
  return static_cast<double>(limit.rlim_cur);
}

// When the machine started, in seconds since the Unix epoch.
double BootTime() {
  std::ifstream file("/proc/stat");
  for (std::string word; file >> word;) {
    double seconds;
    if (word == "btime" && file >> seconds) return seconds;
  }
  return kUnknown;
}

double StartTime() {
  std::ifstream file("/proc/self/stat");
  std::string text;
  if (!std::getline(file, text)) return kUnknown;
  // The second field is the program's name, which may hold spaces and brackets;
  // the start, in clock ticks since the boot, is the 20th behind it.
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return kUnknown;
  std::istringstream fields(text.substr(name_end + 1));
  std::string field;
  for (int i = 0; i < 20; ++i) fields >> field;
  double ticks;
  if (!(std::istringstream(field) >> ticks)) return kUnknown;
  return BootTime() + ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

void AddProcessMetrics(Registry* registry) {
  registry->AddCounter("process_cpu_seconds_total",
                       "User and system CPU time spent, in seconds.", {},
                       CpuSeconds);
  registry->AddGauge("process_resident_memory_bytes",
                     "Resident memory size in bytes.", {}, ResidentBytes);
  registry->AddGauge("process_open_fds", "Number of open file descriptors.", {},
                     OpenFds);
  registry->AddGauge("process_max_fds",
                     "Maximum number of open file descriptors.", {}, MaxFds);
  registry->AddGauge(
      "process_start_time_seconds",
      "Start time of the process since the Unix epoch in seconds.", {},
      [start = StartTime()] { return start; });
}

}  // namespace weir
