#include "reactor/async_file/completion.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <utility>

#include "reactor/callback_kind.h"
#include "reactor/errno_status.h"
#include "reactor/fd.h"
#include "reactor/poller.h"
#include "reactor/signals.h"

namespace weir {
namespace {

class PolledNotice final : public CompletionNotice {
 public:
  void Prepare(aiocb* request) override {
    request->aio_sigevent = {};
    request->aio_sigevent.sigev_notify = SIGEV_NONE;
  }
  void Withdraw(aiocb*) override {}
  // A write into the page cache takes some 20 us, and a timer rounds up to a
  // millisecond.
  Duration first_look() const override { return std::chrono::milliseconds(1); }
};

// A descriptor on the loop that becomes readable when a request is over.
class NoticeFd final : public EventHandler {
 public:
  NoticeFd(Reactor* reactor, std::function<void()> on_notice)
      : reactor_(*reactor), on_notice_(std::move(on_notice)) {}
  ~NoticeFd() {
    if (handle_ != Handle::kNone) {
      // Others may write to it yet: it is theirs too.
      reactor_.Unregister(handle_, [fd = std::move(fd_)] {});
    }
  }

  absl::Status Watch(std::shared_ptr<const UniqueFd> fd) {
    if (!*fd) return ErrnoStatus(errno, "cannot be told of files");
    fd_ = std::move(fd);
    const Reactor::Registration registration =
        reactor_.Register(fd_->get(), FdKind::kLevel, this);
    if (registration.error != 0) {
      return ErrnoStatus(registration.error, "cannot be told of files");
    }
    handle_ = registration.handle;
    reactor_.Arm(handle_, kRead);
    return absl::OkStatus();
  }

 private:
  void OnReady(Ready) noexcept override {
    reactor_.Describe(CallbackKind::kFile, {});
    // What is in it says nothing: all requests are looked at. (An eventfd is
    // read whole; of signals, what is left is reported again.)
    char notices[8 * sizeof(signalfd_siginfo)];
    while (read(fd_->get(), notices, sizeof(notices)) < 0 && errno == EINTR) {
    }
    on_notice_();
  }

  Reactor& reactor_;
  const std::function<void()> on_notice_;
  std::shared_ptr<const UniqueFd> fd_;
  Handle handle_ = Handle::kNone;
};

class SignalNotice final : public CompletionNotice {
 public:
  SignalNotice(Reactor* reactor, std::function<void()> on_notice)
      : watched_(reactor, std::move(on_notice)) {}

  absl::Status Start() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, FileSignal());
    return watched_.Watch(std::make_shared<UniqueFd>(
        signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)));
  }

  void Prepare(aiocb* request) override {
    request->aio_sigevent = {};
    request->aio_sigevent.sigev_notify = SIGEV_SIGNAL;
    request->aio_sigevent.sigev_signo = FileSignal();
  }
  void Withdraw(aiocb*) override {}
  Duration first_look() const override { return kLookAnyway; }

 private:
  NoticeFd watched_;
};

class ThreadNotice final : public CompletionNotice {
 public:
  ThreadNotice(Reactor* reactor, std::function<void()> on_notice)
      : watched_(reactor, std::move(on_notice)) {}

  absl::Status Start() {
    event_ = std::make_shared<UniqueFd>(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    return watched_.Watch(event_);
  }

  // aio_error() may say that a request is over before its thread has come to
  // tell, and then this object may be gone: so each request has a share of the
  // eventfd. (One whose notice is lost never gives it back.)
  void Prepare(aiocb* request) override {
    request->aio_sigevent = {};
    request->aio_sigevent.sigev_notify = SIGEV_THREAD;
    request->aio_sigevent.sigev_notify_function = Tell;
    request->aio_sigevent.sigev_value.sival_ptr = new Share(event_);
  }
  void Withdraw(aiocb* request) override {
    delete static_cast<Share*>(request->aio_sigevent.sigev_value.sival_ptr);
  }
  Duration first_look() const override { return kLookAnyway; }

 private:
  using Share = std::shared_ptr<const UniqueFd>;

  // On a thread that glibc makes for it.
  static void Tell(sigval value) {
    const std::unique_ptr<Share> event(static_cast<Share*>(value.sival_ptr));
    const uint64_t one = 1;
    // Refused only when it is readable anyhow.
    [[maybe_unused]] const ssize_t n =
        write((*event)->get(), &one, sizeof(one));
  }

  NoticeFd watched_;
  Share event_;
};

template <typename Notice>
absl::StatusOr<std::unique_ptr<CompletionNotice>> Started(
    Reactor* reactor, std::function<void()> on_notice) {
  auto notice = std::make_unique<Notice>(reactor, std::move(on_notice));
  if (absl::Status started = notice->Start(); !started.ok()) return started;
  return notice;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CompletionNotice>> CompletionNotice::Make(
    AioCompletion completion, Reactor* reactor,
    std::function<void()> on_notice) {
  switch (completion) {
    case AioCompletion::kSignal:
      return Started<SignalNotice>(reactor, std::move(on_notice));
    case AioCompletion::kThread:
      return Started<ThreadNotice>(reactor, std::move(on_notice));
    case AioCompletion::kPolled:
      break;
  }
  return std::make_unique<PolledNotice>();
}

}  // namespace weir
