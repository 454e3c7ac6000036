// For the tests of asynchronous files: a queue on a loop that the test drives,
// and a folder.

#ifndef TESTS_REACTOR_ASYNC_FILE_ASYNC_FILE_RIG_H_
#define TESTS_REACTOR_ASYNC_FILE_ASYNC_FILE_RIG_H_

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "metrics/registry.h"
#include "reactor/async_file/aio_queue.h"
#include "reactor/async_file/async_file.h"
#include "reactor/async_file/completion.h"
#include "reactor/clock.h"
#include "reactor/fd.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"
#include "reactor/run_until.h"
#include "reactor/signals.h"
#include "tests/reactor/async_file/fake_aio_calls.h"

namespace weir {

// The thread sanitizer dies of the threads that glibc makes for SIGEV_THREAD.
#ifdef __SANITIZE_THREAD__
inline constexpr bool kHasThreadNotices = false;
#else
inline constexpr bool kHasThreadNotices = true;
#endif

inline constexpr AioCompletion kAllCompletions[] = {
    AioCompletion::kPolled, AioCompletion::kSignal, AioCompletion::kThread};

inline std::string NameOf(AioCompletion completion) {
  return std::string(kAioCompletionNames[static_cast<size_t>(completion)]);
}

class AsyncFileRig : public testing::Test {
 protected:
  // What an operation came to, once it is over.
  using Outcome = std::optional<AsyncFile::Result>;
  using File = std::unique_ptr<AsyncFile>;

  ~AsyncFileRig() override {
    queue_.reset();
    std::filesystem::remove_all(folder_);
  }

  void Begin(AioCompletion completion, PollerKind kind = PollerKind::kEpoll,
             Clock* clock = &Clock::Real(), size_t max_requests = 64) {
    if (completion == AioCompletion::kThread && !kHasThreadNotices) {
      GTEST_SKIP() << "not with this sanitizer";
    }
    ASSERT_TRUE(BlockSignals().ok());
    auto poller = MakePoller(kind);
    if (absl::IsUnavailable(poller.status())) GTEST_SKIP() << poller.status();
    ASSERT_TRUE(poller.ok()) << poller.status();
    reactor_ = std::make_unique<Reactor>(
        Reactor::Options{.clock = clock, .poller = *std::move(poller)});
    auto queue = AioQueue::Create({.reactor = reactor_.get(),
                                   .completion = completion,
                                   .calls = &calls_,
                                   .max_requests = max_requests});
    ASSERT_TRUE(queue.ok()) << queue.status();
    queue_ = *std::move(queue);
    queue_->Register("", &registry_);
    std::string folder = testing::TempDir() + "async_file.XXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }

  // Rounds of the loop until it is so; false after half a minute, which only a
  // failing test takes.
  bool RunUntil(const std::function<bool()>& so) {
    return weir::RunUntil(reactor_.get(), std::chrono::seconds(30), so);
  }
  bool RunUntilOver(const Outcome& outcome) {
    return RunUntil([&] { return outcome.has_value(); });
  }
  // What the file thread was told before is done.
  bool AwaitFileThread() {
    bool done = false;
    queue_->thread()->Run([&done] { return [&done] { done = true; }; });
    return RunUntil([&] { return done; });
  }

  std::string Path(const std::string& name) const {
    return folder_ + "/" + name;
  }
  static std::string Contents(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  static void Put(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }

  absl::StatusOr<File> TryOpen(
      const std::string& path,
      AsyncFile::OpenFor how = AsyncFile::OpenFor::kAppending) {
    std::optional<absl::StatusOr<File>> opened;
    AsyncFile::Open(queue_.get(), path, how, [&](absl::StatusOr<File> file) {
      opened = std::move(file);
    });
    EXPECT_TRUE(RunUntil([&] { return opened.has_value(); }));
    return *std::move(opened);
  }
  File Open(const std::string& path,
            AsyncFile::OpenFor how = AsyncFile::OpenFor::kAppending) {
    absl::StatusOr<File> file = TryOpen(path, how);
    EXPECT_TRUE(file.ok()) << file.status();
    return file.ok() ? *std::move(file) : nullptr;
  }
  // Of no regular file, or of one that Open() would not give.
  File Wrap(UniqueFd fd, bool regular = false) {
    EXPECT_TRUE(fd.valid());
    return std::make_unique<AsyncFile>(queue_.get(), std::move(fd), FileId{},
                                       regular, 0);
  }

  static AsyncFile::Done Into(Outcome* outcome) {
    return [outcome](AsyncFile::Result result) {
      EXPECT_FALSE(outcome->has_value()) << "told twice";
      *outcome = std::move(result);
    };
  }

  // Operations that are waited for; `outcome->status` is of the submission if
  // that failed.
  AsyncFile::Result Await(Outcome* outcome, const absl::Status& submitted) {
    if (!submitted.ok()) return {.status = submitted};
    if (!RunUntilOver(*outcome)) return {.status = absl::UnknownError("never")};
    return *std::move(*outcome);
  }
  AsyncFile::Result Append(AsyncFile* file, std::string bytes) {
    Outcome outcome;
    return Await(&outcome, file->Append(std::move(bytes), Into(&outcome)));
  }
  AsyncFile::Result Read(AsyncFile* file, uint64_t offset, size_t size) {
    Outcome outcome;
    return Await(&outcome, file->Read(offset, size, Into(&outcome)));
  }
  AsyncFile::Result Write(AsyncFile* file, uint64_t offset, std::string bytes) {
    Outcome outcome;
    return Await(&outcome,
                 file->Write(offset, std::move(bytes), Into(&outcome)));
  }
  AsyncFile::Result Sync(AsyncFile* file) {
    Outcome outcome;
    return Await(&outcome, file->Sync(Into(&outcome)));
  }

  // The value of a metric without labels, or with those in the name.
  int64_t Metric(const std::string& name) const {
    const std::string text = "\n" + registry_.Serialize();
    const size_t at = text.find("\n" + name + " ");
    if (at == std::string::npos) return -1;
    return std::stoll(text.substr(at + name.size() + 2));
  }

  FakeAioCalls calls_;
  Registry registry_;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<AioQueue> queue_;
  std::string folder_;
};

// What holds whichever way the loop hears of the end.
class AsyncFileContract : public AsyncFileRig,
                          public testing::WithParamInterface<AioCompletion> {
 protected:
  void SetUp() override { Begin(GetParam()); }
  static bool Signalled() { return GetParam() == AioCompletion::kSignal; }
};

inline std::string CompletionTestName(
    const testing::TestParamInfo<AioCompletion>& parameter) {
  return NameOf(parameter.param);
}

// A pipe that is full, so that a write to it hangs if `blocking`.
struct FullPipe {
  explicit FullPipe(bool blocking) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    out = UniqueFd(ends[0]);
    in = UniqueFd(ends[1]);
    const std::string filler(4096, '.');
    while (write(in.get(), filler.data(), filler.size()) > 0) {
      size += filler.size();
    }
    if (blocking) {
      EXPECT_EQ(fcntl(in.get(), F_SETFL, 0), 0);
    }
  }
  // What came behind the filler, at least `want` bytes of it.
  std::string Drain(size_t want) {
    std::string bytes;
    char buffer[4096];
    EXPECT_EQ(fcntl(out.get(), F_SETFL, 0), 0);
    while (bytes.size() < size + want) {
      const ssize_t n = read(out.get(), buffer, sizeof(buffer));
      if (n <= 0) break;
      bytes.append(buffer, static_cast<size_t>(n));
    }
    return bytes.substr(std::min(size, bytes.size()));
  }

  UniqueFd in, out;
  size_t size = 0;
};

}  // namespace weir

#endif  // TESTS_REACTOR_ASYNC_FILE_ASYNC_FILE_RIG_H_
