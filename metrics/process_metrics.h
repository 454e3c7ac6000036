// Public. The usual figures of the process itself.

#ifndef METRICS_PROCESS_METRICS_H_
#define METRICS_PROCESS_METRICS_H_

#include "metrics/registry.h"

namespace weir {

// Adds process_cpu_seconds_total, process_resident_memory_bytes,
// process_open_fds, process_max_fds and process_start_time_seconds, without any
// prefix, as every Prometheus client names them. They are read from the kernel
// at each scrape; what cannot be read (no /proc) is NaN.
void AddProcessMetrics(Registry* registry);

}  // namespace weir

#endif  // METRICS_PROCESS_METRICS_H_
