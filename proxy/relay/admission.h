// Public. Connections are admitted before their descriptors are used, so that
// the process never runs out of them.

#ifndef PROXY_RELAY_ADMISSION_H_
#define PROXY_RELAY_ADMISSION_H_

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "metrics/instrument.h"

namespace weir {

// What is kept back from connections: logs, resolver, files.
inline constexpr int64_t kReservedFds = 64;
// What the admin port may take (HttpServer::Options::max_connections).
inline constexpr int64_t kAdminFds = 64;

struct FdLimits {
  int64_t open_files;                // as RaiseFdLimit() returns it
  int64_t poller_limit = INT64_MAX;  // Poller::fd_limit()
  int64_t taken = 0;                 // for life: listeners, pollers
  int64_t pipes = 0;                 // cap of the pipe pools, in descriptors
  int64_t configured = 0;            // --max_connections; 0: none
};

// How many pipes the pools may lend in all where nobody says so: one for 32 of
// `descriptors`, and no more than an unprivileged user gets in full size.
constexpr int64_t DefaultPipes(int64_t descriptors) {
  return std::min<int64_t>(descriptors / 32, 1024);
}

// How many connections fit: each takes two descriptors, and no number may reach
// the poller's limit. At least 0.
int64_t MaxConnections(const FdLimits& limits);

// The one shared counter that every connection touches. Any thread.
class Admission {
 public:
  explicit Admission(int64_t max) : max_(max) {}
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  // True: the caller owns a place until Release(). Never admits more than
  // max().
  [[nodiscard]] bool TryAcquire() {
    // Not add and take back: two that fail at the limit could then keep out a
    // third for whom there is room.
    int64_t active = active_.load(std::memory_order_relaxed);
    while (active < max_) {
      if (active_.compare_exchange_weak(active, active + 1,
                                        std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }

  // Ordered before what the same thread looks at next (Gate::TellRoom()).
  void Release() { active_.fetch_sub(1, std::memory_order_seq_cst); }

  // Ordered behind what the same thread stored before.
  bool HasRoom() const {
    return active_.load(std::memory_order_seq_cst) < max_;
  }

  int64_t active() const { return active_.load(std::memory_order_relaxed); }
  int64_t max() const { return max_; }

 private:
  const int64_t max_;
  // A number that publishes nothing. The descriptors themselves are counted by
  // the kernel.
  alignas(kCacheLine) std::atomic<int64_t> active_{0};
};

}  // namespace weir

#endif  // PROXY_RELAY_ADMISSION_H_
