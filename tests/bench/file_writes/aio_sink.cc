#include "tests/bench/file_writes/aio_sink.h"

#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "tests/bench/file_writes/write_all.h"

namespace weir {

absl::StatusOr<std::unique_ptr<LineSink>> AioSink::Create(
    AioCompletion completion, UniqueFd fd, Reactor* reactor) {
  AioQueue::Options options;
  options.reactor = reactor;
  options.completion = completion;
  absl::StatusOr<std::unique_ptr<AioQueue>> queue = AioQueue::Create(options);
  if (!queue.ok()) return queue.status();
  return absl::WrapUnique(new AioSink(*std::move(queue), std::move(fd)));
}

AioSink::AioSink(std::unique_ptr<AioQueue> queue, UniqueFd fd)
    : queue_(std::move(queue)),
      file_(queue_.get(), std::move(fd), FileId(), /*regular=*/true,
            /*size=*/0) {}

void AioSink::Write(std::string* batch) {
  busy_ = true;
  const absl::Status taken =
      file_.Append(std::move(*batch), [this, batch](AsyncFile::Result result) {
        if (!result.status.ok()) {
          WriteFailed(std::string(result.status.message()));
        }
        *batch = std::move(result.buffer);
        busy_ = false;
      });
  if (!taken.ok()) WriteFailed(std::string(taken.message()));
}

}  // namespace weir
