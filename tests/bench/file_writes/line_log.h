// Internal to tests/bench/file_writes. A log of numbered lines, written in
// batches.

#ifndef TESTS_BENCH_FILE_WRITES_LINE_LOG_H_
#define TESTS_BENCH_FILE_WRITES_LINE_LOG_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "metrics/instrument.h"
#include "reactor/clock.h"
#include "reactor/reactor.h"
#include "reactor/timer_wheel.h"
#include "tests/bench/file_writes/line_sink.h"

namespace weir {

// Loop thread only, but for the counters.
class LineLog final : private Timer {
 public:
  // With its end of line.
  static constexpr size_t kLineBytes = 300;
  // What may wait and be under way; a line beyond it is dropped.
  static constexpr size_t kMostBytes = size_t{4} << 20;

  // Lines wait for so long, and then for the batch before them; zero: each is
  // written at once, or when the one before it is. Both pointers outlive this.
  LineLog(Reactor* reactor, LineSink* sink, Duration every);

  // One line more: its number (from 0), and what a line of an access log has.
  void Add();
  // Stops the loop when all lines are written.
  void Finish() { finishing_ = true; }

  // Any thread. At the end logged = written + dropped.
  struct Counts {
    uint64_t logged = 0;
    uint64_t written = 0;
    uint64_t dropped = 0;
  };
  Counts counts() const {
    return {logged_.Value(), written_.Value(), dropped_.Value()};
  }

 private:
  void OnTimer() noexcept override;
  // Notes what is written by now, and hands over what waits.
  void Flush();

  Reactor& reactor_;
  LineSink& sink_;
  const Duration every_;
  std::string line_;
  // Both keep their memory: to get some anew takes a loop milliseconds.
  std::string waiting_;
  std::string under_way_;
  size_t under_way_bytes_ = 0;  // the sink may have taken them out of there
  bool finishing_ = false;
  Counter logged_;
  Counter written_;
  Counter dropped_;
};

}  // namespace weir

#endif  // TESTS_BENCH_FILE_WRITES_LINE_LOG_H_
