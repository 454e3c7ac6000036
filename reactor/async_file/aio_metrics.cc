#include "reactor/async_file/aio_metrics.h"

#include <iterator>
#include <string>

namespace weir {

void AioMetrics::Register(const std::string& prefix, Clock* clock,
                          Registry* registry) const {
  constexpr const char* kKinds[] = {"read", "write", "sync"};
  for (size_t i = 0; i < std::size(kKinds); ++i) {
    registry->AddCounter(prefix + "file_requests_total",
                         "Requests of asynchronous file I/O.",
                         {{"kind", kKinds[i]}}, &requests[i]);
  }
  registry->AddCounter(prefix + "file_request_errors_total",
                       "Requests of asynchronous file I/O that failed or were "
                       "cancelled.",
                       {}, &failed);
  registry->AddCounter(
      prefix + "file_resubmissions_total",
      "Submissions of a request beyond its first: the rest of a partial "
      "transfer, and what was refused for want of room.",
      {}, &resubmitted);
  registry->AddCounter(
      prefix + "file_unnoticed_total",
      "Requests that a look found to be over before their signal or thread "
      "told.",
      {}, &unnoticed);
  registry->AddGauge(prefix + "file_requests_outstanding",
                     "Requests of asynchronous file I/O that are not over.", {},
                     &outstanding);
  registry->AddGauge(
      prefix + "file_oldest_request_seconds",
      "How long the oldest request that is not over has been waiting; it grows "
      "while a file system hangs.",
      {}, [this, clock] {
        const int64_t at = oldest_at.Value();
        if (at == 0) return 0.0;
        const int64_t now = clock->Now().time_since_epoch().count();
        return static_cast<double>(now > at ? now - at : 0) * 1e-9;
      });
  registry->AddHistogram(prefix + "file_request_seconds",
                         "From the request to its end.", {},
                         [this] { return seconds.Read(); });
}

}  // namespace weir
