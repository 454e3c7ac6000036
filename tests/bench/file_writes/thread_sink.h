// Internal to tests/bench/file_writes. A thread that may block.

#ifndef TESTS_BENCH_FILE_WRITES_THREAD_SINK_H_
#define TESTS_BENCH_FILE_WRITES_THREAD_SINK_H_

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "reactor/fd.h"
#include "tests/bench/file_writes/line_sink.h"

namespace weir {

class ThreadSink final : public LineSink {
 public:
  // Unavailable where the system has no thread left.
  static absl::StatusOr<std::unique_ptr<LineSink>> Create(UniqueFd fd);
  // Waits for the batch that is under way.
  ~ThreadSink() override;

  bool busy() const override {
    return state_.load(std::memory_order_acquire) == State::kWriting;
  }
  void Write(std::string* batch) override;

 private:
  enum class State : int { kIdle, kWriting, kEnding };

  explicit ThreadSink(UniqueFd fd) : fd_(std::move(fd)) {}

  void Main();

  const UniqueFd fd_;
  std::thread thread_;
  // kWriting and kEnding are set by the loop, kIdle by the thread; whoever sets
  // it hands `batch_` over with it.
  std::atomic<State> state_{State::kIdle};
  const std::string* batch_ = nullptr;
};

}  // namespace weir

#endif  // TESTS_BENCH_FILE_WRITES_THREAD_SINK_H_
