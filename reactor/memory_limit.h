// Public. How much memory this process may really use.

#ifndef REACTOR_MEMORY_LIMIT_H_
#define REACTOR_MEMORY_LIMIT_H_

#include <cstdint>
#include <string>

namespace weir {

// Bytes: the smallest memory limit along the cgroup path (version 1 or 2), or
// the physical memory where that is less or no limit is set; 0 where nothing
// can be read. Files lie below `root`: "" is the machine.
int64_t MemoryLimit(const std::string& root = "");

}  // namespace weir

#endif  // REACTOR_MEMORY_LIMIT_H_
