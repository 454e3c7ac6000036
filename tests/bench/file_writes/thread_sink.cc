#include "tests/bench/file_writes/thread_sink.h"

#include <utility>

#include "absl/memory/memory.h"
#include "metrics/quiet_thread.h"
#include "tests/bench/file_writes/write_all.h"

namespace weir {

absl::StatusOr<std::unique_ptr<LineSink>> ThreadSink::Create(UniqueFd fd) {
  auto sink = absl::WrapUnique(new ThreadSink(std::move(fd)));
  absl::StatusOr<std::thread> thread =
      StartQuietThread("writer", [s = sink.get()] { s->Main(); });
  if (!thread.ok()) return thread.status();
  sink->thread_ = *std::move(thread);
  return sink;
}

ThreadSink::~ThreadSink() {
  if (!thread_.joinable()) return;
  state_.wait(State::kWriting);
  state_.store(State::kEnding);
  state_.notify_all();
  thread_.join();
}

void ThreadSink::Write(std::string* batch) {
  batch_ = batch;
  state_.store(State::kWriting, std::memory_order_release);
  state_.notify_all();
}

void ThreadSink::Main() {
  while (true) {
    state_.wait(State::kIdle, std::memory_order_acquire);
    if (state_.load(std::memory_order_acquire) == State::kEnding) return;
    WriteAll(fd_.get(), *batch_);
    state_.store(State::kIdle, std::memory_order_release);
    state_.notify_all();
  }
}

}  // namespace weir
