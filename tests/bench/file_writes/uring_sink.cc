#include "tests/bench/file_writes/uring_sink.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "reactor/callback_kind.h"
#include "tests/bench/file_writes/write_all.h"

namespace weir {
namespace {

absl::Status Unavailable(const char* call, int error) {
  return absl::UnavailableError(absl::StrCat(call, ": ", std::strerror(error)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<LineSink>> UringSink::Create(UniqueFd fd,
                                                            Reactor* reactor) {
  auto sink = absl::WrapUnique(new UringSink(std::move(fd), reactor));
  if (absl::Status status = sink->SetUp(); !status.ok()) return status;
  return sink;
}

absl::Status UringSink::SetUp() {
  // One batch at a time.
  if (const int result = io_uring_queue_init(4, &ring_, 0); result < 0) {
    return Unavailable("io_uring_setup", -result);
  }
  is_set_up_ = true;
  event_ = UniqueFd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!event_) return Unavailable("eventfd", errno);
  if (const int result = io_uring_register_eventfd(&ring_, event_.get());
      result < 0) {
    return Unavailable("io_uring_register", -result);
  }
  const Reactor::Registration registration =
      reactor_.Register(event_.get(), FdKind::kLevel, this);
  if (registration.error != 0) {
    return Unavailable("epoll_ctl", registration.error);
  }
  handle_ = registration.handle;
  reactor_.Arm(handle_, kRead);
  return absl::OkStatus();
}

UringSink::~UringSink() {
  if (handle_ != Handle::kNone) reactor_.Close(handle_, std::move(event_));
  if (is_set_up_) io_uring_queue_exit(&ring_);
}

void UringSink::Write(std::string* batch) {
  batch_ = batch;
  done_ = 0;
  Submit();
}

void UringSink::Submit() {
  io_uring_sqe* const request = io_uring_get_sqe(&ring_);
  io_uring_prep_write(request, fd_.get(), batch_->data() + done_,
                      static_cast<unsigned>(batch_->size() - done_), end_);
  if (const int result = io_uring_submit(&ring_); result < 0) {
    WriteFailed(std::strerror(-result));
  }
}

void UringSink::OnReady(Ready) noexcept {
  reactor_.Describe(CallbackKind::kFile, {});
  uint64_t times;
  [[maybe_unused]] const ssize_t n = read(event_.get(), &times, sizeof(times));
  io_uring_cqe* completion = nullptr;
  while (io_uring_peek_cqe(&ring_, &completion) == 0) {
    const int result = completion->res;
    io_uring_cqe_seen(&ring_, completion);
    if (result < 0) WriteFailed(std::strerror(-result));
    done_ += static_cast<size_t>(result);
    end_ += static_cast<uint64_t>(result);
    if (done_ < batch_->size()) {
      Submit();
    } else {
      batch_ = nullptr;
    }
  }
}

}  // namespace weir
