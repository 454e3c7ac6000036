// Public. How many processors this process may really use.

#ifndef REACTOR_CPU_COUNT_H_
#define REACTOR_CPU_COUNT_H_

#include <optional>
#include <string>
#include <vector>

namespace weir {

// The processors of the calling thread's affinity mask, ascending. Never empty:
// where the mask cannot be read, 0.
std::vector<int> AllowedCpus();

// The smallest CPU quota along the cgroup path, in processors (1.5: three
// halves of one), of version 1 or 2; none where none is set. Files lie below
// `root`: "" is the machine.
std::optional<double> CpuQuota(const std::string& root = "");

// The number of reactors that the machine really allows: the size of the
// affinity mask or the quota rounded up, whichever is smaller; at least 1.
int CpuCount(const std::string& root = "");

}  // namespace weir

#endif  // REACTOR_CPU_COUNT_H_
