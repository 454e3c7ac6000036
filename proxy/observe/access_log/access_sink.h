// Public. Where one loop puts lines of the access log.

#ifndef PROXY_OBSERVE_ACCESS_LOG_ACCESS_SINK_H_
#define PROXY_OBSERVE_ACCESS_LOG_ACCESS_SINK_H_

#include <atomic>
#include <cstddef>
#include <functional>
#include <string>

#include "metrics/instrument.h"
#include "proxy/observe/access_log/access_format.h"
#include "proxy/observe/access_log/access_record.h"
#include "proxy/observe/log_ring.h"
#include "reactor/clock.h"

namespace weir {

// A bounded ring between a loop and the loop that writes the file. Never
// blocks; what finds no room is counted and dropped.
class AccessSink {
 public:
  struct Options {
    AccessFormat format = AccessFormat::kJson;
    bool open_lines = false;    // a line at the open
    Duration every = kForever;  // a line as often, for connections that last
    size_t ring_bytes = 1 << 20;
    Clock* clock = &Clock::Real();  // outlives this
    // Runs on the producer's thread when lines wait and the reader sleeps.
    std::function<void()> wake;
  };

  explicit AccessSink(Options options);
  AccessSink(const AccessSink&) = delete;
  AccessSink& operator=(const AccessSink&) = delete;

  // --- The producing loop ---------------------------------------------------

  bool open_lines() const { return options_.open_lines; }
  // kForever: never.
  Duration every() const { return options_.every; }
  // Formats `record`, with the wall time of now, and puts it into the ring.
  void Line(AccessRecord record);
  // A connection ended that there was no memory for: its line is dropped.
  void Drop() { dropped_.Add(); }

  // --- The reader -----------------------------------------------------------

  // Appends whole lines to `batch` until it has at least `most` bytes or the
  // ring is empty; returns how many.
  size_t Take(size_t most, std::string* batch);
  bool empty() const { return ring_.empty(); }
  // Says that Take() comes only after the next wake(). False: lines came
  // meanwhile, and it does not sleep.
  bool Sleep();

  // --- Any thread -----------------------------------------------------------

  // Lines that found no room, and those of Drop().
  const Counter& dropped() const { return dropped_; }

 private:
  const Options options_;
  LogRing ring_;
  // Producer only.
  std::string line_;
  Counter dropped_;
  // Reader only.
  LogRecord record_;
  // Set by the reader, taken back by whoever wakes it. seq_cst with the ring's
  // tail: the reader sets it and then looks at the ring, the producer pushes
  // and then looks at it.
  std::atomic<bool> sleeping_{true};
};

}  // namespace weir

#endif  // PROXY_OBSERVE_ACCESS_LOG_ACCESS_SINK_H_
