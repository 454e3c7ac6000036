// For the tests of asynchronous files: glibc's calls, and what can go wrong
// with them.

#ifndef TESTS_REACTOR_ASYNC_FILE_FAKE_AIO_CALLS_H_
#define TESTS_REACTOR_ASYNC_FILE_FAKE_AIO_CALLS_H_

#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/types.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "reactor/async_file/aio_calls.h"
#include "reactor/async_file/aio_request.h"

namespace weir {

// One thread, but for what glibc does. What is not told to fail is done by the
// system, with its notice.
class FakeAioCalls final : public AioCalls {
 public:
  // The next `times` submissions are refused.
  void Refuse(int error, int times) { refused_ = {error, times}; }
  // The next `times` requests end with `error`, and nothing is transferred.
  void Fail(int error, int times) { failing_ = {error, times}; }
  // Each request transfers `most` bytes at most.
  void Shorten(size_t most) { most_ = most; }
  // Of the next list only `count` are taken, and over before it is refused.
  void BreakList(size_t count) { broken_after_ = static_cast<int>(count); }
  void LoseNotices() { lose_notices_ = true; }

  // Submissions from here on hang, as if a helper thread were at each, until
  // LetGo() does them.
  void Hang() { hanging_ = true; }
  void LetGo() {
    hanging_ = false;
    for (const auto& [request, kind] : std::exchange(hung_, {})) {
      Touch(request);
      Pass(kind, request);
    }
  }

  // Of any kind, each part of a list too.
  int submissions() const { return submissions_; }
  // How often it was asked whether a request is over.
  int looks() const { return looks_; }

  int Read(aiocb* request) override {
    return Submit(AioKind::kReading, request);
  }
  int Write(aiocb* request) override {
    return Submit(AioKind::kWriting, request);
  }
  int Sync(int, aiocb* request) override {
    return Submit(AioKind::kSyncing, request);
  }
  int List(std::span<aiocb*> requests) override {
    if (AllIsWell()) {
      submissions_ += static_cast<int>(requests.size());
      return AioCalls::Real().List(requests);
    }
    int taken = 0;
    for (aiocb* request : requests) {
      if (taken++ == broken_after_) break;
      Submit(AioKind::kReading, request);
      while (!hanging_ && AioCalls::Real().Error(request) == EINPROGRESS) {
        aio_suspend(&request, 1, nullptr);
      }
    }
    return std::exchange(broken_after_, -1) < 0 ? 0 : EIO;
  }
  int Error(const aiocb* request) override {
    ++looks_;
    if (hung_.count(const_cast<aiocb*>(request)) > 0) return EINPROGRESS;
    const int error = AioCalls::Real().Error(request);
    const auto failed = failed_.find(request);
    if (error == EINPROGRESS || failed == failed_.end()) return error;
    return failed->second;
  }
  ssize_t Return(aiocb* request) override {
    const ssize_t n = AioCalls::Real().Return(request);
    return failed_.erase(request) > 0 ? -1 : n;
  }
  void Cancel(int fd) override { AioCalls::Real().Cancel(fd); }

 private:
  static constexpr size_t kAll = ~size_t{0};

  bool AllIsWell() const {
    return broken_after_ < 0 && !hanging_ && most_ == kAll && !lose_notices_ &&
           refused_.second == 0 && failing_.second == 0;
  }

  static bool Take(std::pair<int, int>* errors) {
    if (errors->second == 0) return false;
    --errors->second;
    return true;
  }

  // So that a sanitizer sees a buffer that is gone.
  static void Touch(aiocb* request) {
    volatile char* const bytes = static_cast<volatile char*>(request->aio_buf);
    for (size_t i = 0; i < request->aio_nbytes; ++i) bytes[i] = bytes[i];
  }

  int Submit(AioKind kind, aiocb* request) {
    ++submissions_;
    if (Take(&refused_)) return refused_.first;
    if (lose_notices_) request->aio_sigevent.sigev_notify = SIGEV_NONE;
    request->aio_nbytes = std::min(request->aio_nbytes, most_);
    if (Take(&failing_)) {
      request->aio_nbytes = 0;
      failed_[request] = failing_.first;
    }
    if (hanging_) {
      hung_[request] = kind;
      return 0;
    }
    return Pass(kind, request);
  }

  static int Pass(AioKind kind, aiocb* request) {
    switch (kind) {
      case AioKind::kReading:
        return AioCalls::Real().Read(request);
      case AioKind::kWriting:
        return AioCalls::Real().Write(request);
      case AioKind::kSyncing:
        break;
    }
    return AioCalls::Real().Sync(O_DSYNC, request);
  }

  std::pair<int, int> refused_{};
  std::pair<int, int> failing_{};
  size_t most_ = kAll;
  int broken_after_ = -1;
  bool lose_notices_ = false;
  bool hanging_ = false;
  std::map<aiocb*, AioKind> hung_;
  std::map<const aiocb*, int> failed_;
  int submissions_ = 0;
  int looks_ = 0;
};

}  // namespace weir

#endif  // TESTS_REACTOR_ASYNC_FILE_FAKE_AIO_CALLS_H_
