// Internal to tests/bench/file_writes. One way for a loop to write a file.

#ifndef TESTS_BENCH_FILE_WRITES_LINE_SINK_H_
#define TESTS_BENCH_FILE_WRITES_LINE_SINK_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "reactor/reactor.h"

namespace weir {

// Loop thread only. A write that fails ends the program: what it costs then is
// not the question here.
class LineSink {
 public:
  virtual ~LineSink() = default;

  // Whether a batch is under way.
  virtual bool busy() const = 0;
  // Writes `*batch` behind all before it; it is the sink's while busy. Not
  // while busy.
  virtual void Write(std::string* batch) = 0;
};

// `way` is one of these; the file at `path` is made, or cut:
//   none           nothing is written: what the rest costs
//   blocking       write(2) on the loop
//   aio-polled, aio-signal, aio-thread
//                  POSIX AIO as weir does it, by how its end is noticed
//   io_uring       its end is told by an eventfd on the loop
//   writer-thread  write(2) on a thread
// Unavailable, with the kernel's reason, where the kernel has no such thing;
// InvalidArgument for another way. `reactor` outlives the sink.
absl::StatusOr<std::unique_ptr<LineSink>> MakeLineSink(std::string_view way,
                                                       const std::string& path,
                                                       Reactor* reactor);

}  // namespace weir

#endif  // TESTS_BENCH_FILE_WRITES_LINE_SINK_H_
