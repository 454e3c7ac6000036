// Internal to tests/bench/file_writes. POSIX AIO, as weir's logs use it.

#ifndef TESTS_BENCH_FILE_WRITES_AIO_SINK_H_
#define TESTS_BENCH_FILE_WRITES_AIO_SINK_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "reactor/async_file/aio_queue.h"
#include "reactor/async_file/async_file.h"
#include "reactor/async_file/completion.h"
#include "reactor/fd.h"
#include "reactor/reactor.h"
#include "tests/bench/file_writes/line_sink.h"

namespace weir {

class AioSink final : public LineSink {
 public:
  // For AioCompletion::kSignal, BlockSignals() comes first.
  static absl::StatusOr<std::unique_ptr<LineSink>> Create(
      AioCompletion completion, UniqueFd fd, Reactor* reactor);

  bool busy() const override { return busy_; }
  void Write(std::string* batch) override;

 private:
  AioSink(std::unique_ptr<AioQueue> queue, UniqueFd fd);

  const std::unique_ptr<AioQueue> queue_;
  AsyncFile file_;
  bool busy_ = false;
};

}  // namespace weir

#endif  // TESTS_BENCH_FILE_WRITES_AIO_SINK_H_
