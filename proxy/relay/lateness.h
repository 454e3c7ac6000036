// Public. Which loops run late, as the one that deals connections sees it.

#ifndef PROXY_RELAY_LATENESS_H_
#define PROXY_RELAY_LATENESS_H_

#include <chrono>
#include <cstddef>
#include <functional>
#include <vector>

#include "metrics/lag_histogram.h"
#include "reactor/clock.h"

namespace weir {

// One an accepting loop; on its thread only. Of each loop it remembers
//
//   busy   the share of time outside the poll call,
//   lag    how long a byte that comes at a random instant waits for the loop,
//          in milliseconds: the integral of the lag over time,
//
// both as means that forget within a tenth of a second, and from them
//
//   share = 8 * (1 - busy) / (1 + lag), rounded up to a whole number, 1 to 8.
//
// 1 / (1 - busy) is how work queues up at a server that is that busy; the lag
// adds what busy does not tell: the same work in long pieces. In whole eighths,
// for loops that are about alike have to count as alike.
//
// A loop is stuck while the iteration that runs now is 5 ms old or older: what
// it would be given waits for all that is in front.
class Lateness {
 public:
  // Any thread may call it: what LoopMonitor::Read() returns for that reactor.
  // No lock; it spins for tens of nanoseconds at most.
  using Read = std::function<LagHistogram::Snapshot(size_t reactor)>;

  static constexpr Duration kFresh = std::chrono::milliseconds(2);
  static constexpr Duration kStuck = std::chrono::milliseconds(5);
  static constexpr Duration kMemory = std::chrono::milliseconds(100);
  static constexpr int kWhole = 8;

  Lateness(size_t reactors, Read read);

  // Reads every loop, unless `now` is within 2 ms of the last time it did:
  // about 100 ns a loop, whatever the number of connections.
  void Look(MonoTime now);

  // As of the last Look(); before the first: not stuck, kWhole.
  bool stuck(size_t reactor) const { return loops_[reactor].stuck; }
  int share(size_t reactor) const { return loops_[reactor].share; }

 private:
  struct Loop {
    LagHistogram::Snapshot last;
    double busy = 0;
    double lag_ms = 0;
    bool stuck = false;
    int share = kWhole;
  };

  static void Update(Loop* loop, const LagHistogram::Snapshot& now);

  const Read read_;
  std::vector<Loop> loops_;
  MonoTime looked_at_ = kNever;
};

}  // namespace weir

#endif  // PROXY_RELAY_LATENESS_H_
