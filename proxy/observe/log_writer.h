// Public. What weir prints while its loops run. A thread of its own owns the
// output and may block on it; whoever logs pushes a line into a bounded ring
// and goes on. A line that finds no room is counted and dropped.

#ifndef PROXY_OBSERVE_LOG_WRITER_H_
#define PROXY_OBSERVE_LOG_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <thread>

#include "metrics/instrument.h"
#include "reactor/clock.h"

namespace weir {

// In the order of their importance: a level shows itself and those before it.
enum class LogLevel : uint8_t {
  kError,    // --quiet keeps only these
  kWarning,  // something is wrong, and weir goes on
  kInfo,     // the default: start, ready, drain
  kVerbose,  // -v: a line when a connection opens and one when it closes
};

// The end of a ring that one thread writes to. Made by a LogWriter, valid as
// long as that lives. Never blocks, never allocates.
class LogSink {
 public:
  // Longer texts are cut and end in "...", so that a line, escaped, is never
  // longer than what a pipe takes whole (PIPE_BUF).
  static constexpr size_t kMaxText = 1000;

  LogSink(const LogSink&) = delete;
  LogSink& operator=(const LogSink&) = delete;

  // False when a line of this level would be left out: then its text need not
  // be made.
  bool Wants(LogLevel level) const;

  // Prints `14:03:07.112 text`: local time, then the text with everything
  // escaped that is not printable UTF-8 (a line end too). Nothing when
  // !Wants().
  void Line(LogLevel level, std::string_view text);

  // The same without the time: start-up lines.
  void Plain(LogLevel level, std::string_view text);

  // Lines that found no room. Any thread may read it, also while this writes.
  const Counter& dropped() const;

 private:
  friend class LogWriter;
  struct Channel;
  explicit LogSink(Channel* channel) : channel_(channel) {}

  void Push(int64_t wall_nanos, std::string_view text);

  Channel* const channel_;
};

// Made and destroyed by one thread (main), before the first and after the last
// use of its sinks.
class LogWriter {
 public:
  struct Options {
    // Duplicated, never closed and never made non-blocking: others may share
    // it.
    int fd = 2;
    LogLevel level = LogLevel::kInfo;
    Clock* clock = &Clock::Real();   // outlives the thread: see ~LogWriter()
    size_t ring_bytes = 256 * 1024;  // a sink
    // How long the destructor waits for what is still to be written.
    Duration exit_wait = std::chrono::milliseconds(100);
  };

  // Starts the thread (all signals blocked). When `fd` is not open, or no
  // thread can be had, lines are dropped.
  explicit LogWriter(Options options);
  // Writes what lies in the rings, at most for `exit_wait`: whoever should read
  // may never do. Then the thread is left behind with all that it uses; it
  // reads no clock and ends by itself when its write returns.
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // A sink for one more thread. The owner's thread; the result may be given
  // away.
  LogSink* NewSink();

  // Any thread.
  void SetLevel(LogLevel level);
  // Lines that the output refused (a closed pipe, a full disk). Any thread.
  uint64_t unwritten() const;

 private:
  struct Shared;
  friend class LogSink;

  const std::shared_ptr<Shared> shared_;
  const size_t ring_bytes_;
  const Duration exit_wait_;
  std::thread thread_;
};

}  // namespace weir

#endif  // PROXY_OBSERVE_LOG_WRITER_H_
