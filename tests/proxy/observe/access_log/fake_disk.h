// For the tests of the access log: a disk that a test fills, empties and
// stops, and a loop that it drives.

#ifndef TESTS_PROXY_OBSERVE_ACCESS_LOG_FAKE_DISK_H_
#define TESTS_PROXY_OBSERVE_ACCESS_LOG_FAKE_DISK_H_

#include <aio.h>
#include <errno.h>
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
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "reactor/async_file/aio_calls.h"
#include "reactor/async_file/aio_queue.h"
#include "reactor/async_file/file_thread.h"
#include "reactor/clock.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"
#include "tests/support/manual_clock.h"

namespace weir {

// Writes at once, to the real file, what there is room for. One thread.
class FakeDisk final : public AioCalls {
 public:
  static constexpr size_t kEndless = ~size_t{0};

  size_t room = kEndless;  // bytes; none: ENOSPC
  size_t most = kEndless;  // of one request
  int error = 0;           // of all requests
  int writes = 0;          // submissions

  // Submissions hang from here on until LetGo(), which does them.
  void Hang() { hanging_ = true; }
  void LetGo() {
    hanging_ = false;
    for (aiocb* request : std::exchange(hung_, {})) Do(request);
  }
  size_t hung() const { return hung_.size(); }

  int Read(aiocb*) override { return ENOSYS; }
  int Sync(int, aiocb*) override { return ENOSYS; }
  int List(std::span<aiocb*>) override { return ENOSYS; }
  int Write(aiocb* request) override {
    ++writes;
    if (hanging_) {
      hung_.push_back(request);
    } else {
      Do(request);
    }
    return 0;
  }
  int Error(const aiocb* request) override {
    if (std::find(hung_.begin(), hung_.end(), request) != hung_.end()) {
      return EINPROGRESS;
    }
    return results_.at(request).first;
  }
  ssize_t Return(aiocb* request) override {
    const ssize_t n = results_.at(request).second;
    results_.erase(request);
    return n;
  }
  void Cancel(int) override {}

 private:
  void Do(aiocb* request) {
    const size_t size = std::min({request->aio_nbytes, room, most});
    if (error != 0 || size == 0) {
      results_[request] = {error != 0 ? error : ENOSPC, -1};
      return;
    }
    const ssize_t n =
        write(request->aio_fildes, const_cast<void*>(request->aio_buf), size);
    results_[request] = {n < 0 ? errno : 0, n};
    if (n > 0 && room != kEndless) room -= static_cast<size_t>(n);
  }

  bool hanging_ = false;
  std::vector<aiocb*> hung_;
  std::map<const aiocb*, std::pair<int, ssize_t>> results_;
};

class LogRig : public testing::Test {
 protected:
  void SetUp() override {
    std::string folder = testing::TempDir() + "access_log.XXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    path_ = folder_ + "/log/access.log";
    std::filesystem::create_directory(folder_ + "/log");
    auto poller = MakePoller(PollerKind::kEpoll);
    ASSERT_TRUE(poller.ok()) << poller.status();
    reactor_ = std::make_unique<Reactor>(
        Reactor::Options{.clock = &clock_, .poller = *std::move(poller)});
    auto queue = AioQueue::Create({.reactor = reactor_.get(), .calls = &disk_});
    ASSERT_TRUE(queue.ok()) << queue.status();
    queue_ = *std::move(queue);
  }
  ~LogRig() override {
    queue_.reset();
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  // What the file threads were told is done, and the loop has heard of it.
  void AwaitFileThreads() {
    int done = 0;
    for (FileThread* thread : {queue_->thread().get(), &queue_->opener()}) {
      thread->Run([&done] { return [&done] { ++done; }; });
    }
    while (done < 2) reactor_->RunOnce(std::chrono::seconds(1));
  }
  // Lets that time pass, as the loop sees it.
  void Elapse(Duration time) {
    constexpr Duration kStep = std::chrono::milliseconds(10);
    for (Duration passed{}; passed < time; passed += kStep) {
      AwaitFileThreads();
      clock_.Advance(kStep);
      reactor_->RunOnce(Duration::zero());
    }
    AwaitFileThreads();
  }
  // As long as a request is looked for at most.
  void Settle() { Elapse(std::chrono::milliseconds(200)); }

  static std::string Contents(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  void Rename() { std::filesystem::rename(path_, path_ + ".1"); }

  FakeDisk disk_;
  ManualClock clock_;
  std::string folder_;
  std::string path_;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<AioQueue> queue_;
};

}  // namespace weir

#endif  // TESTS_PROXY_OBSERVE_ACCESS_LOG_FAKE_DISK_H_
