// Internal to tests/bench/file_writes. io_uring, whose completions an eventfd
// on the loop tells.

#ifndef TESTS_BENCH_FILE_WRITES_URING_SINK_H_
#define TESTS_BENCH_FILE_WRITES_URING_SINK_H_

#include <liburing.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "reactor/fd.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"
#include "tests/bench/file_writes/line_sink.h"

namespace weir {

class UringSink final : public LineSink, private EventHandler {
 public:
  // Unavailable where the kernel forbids it.
  static absl::StatusOr<std::unique_ptr<LineSink>> Create(UniqueFd fd,
                                                          Reactor* reactor);
  ~UringSink() override;

  bool busy() const override { return batch_ != nullptr; }
  void Write(std::string* batch) override;

 private:
  UringSink(UniqueFd fd, Reactor* reactor)
      : reactor_(*reactor), fd_(std::move(fd)) {}

  absl::Status SetUp();
  void OnReady(Ready ready) noexcept override;
  // What is left of the batch.
  void Submit();

  Reactor& reactor_;
  const UniqueFd fd_;
  UniqueFd event_;
  Handle handle_ = Handle::kNone;
  io_uring ring_ = {};
  bool is_set_up_ = false;
  const std::string* batch_ = nullptr;
  size_t done_ = 0;   // bytes of it
  uint64_t end_ = 0;  // of the file
};

}  // namespace weir

#endif  // TESTS_BENCH_FILE_WRITES_URING_SINK_H_
