#include "reactor/async_file/completion.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <bit>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
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
  Duration first_look() const override { return kFirstLook; }
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
  Duration first_look() const override { return kLookAnyway; }

 private:
  NoticeFd watched_;
};

// The eventfds of this process, by number. aio_error() may say that a request
// is over before its thread has come to tell, or that thread never comes: so it
// knows no object, only a number that is never used again. Any thread.
class Events {
 public:
  static Events& Of() {
    static auto* const events = new Events;
    return *events;
  }

  // Never 0.
  uintptr_t Add(std::shared_ptr<const UniqueFd> event) {
    const std::lock_guard<std::mutex> lock(mutex_);
    by_number_.emplace(++last_, std::move(event));
    return last_;
  }
  void Remove(uintptr_t number) {
    const std::lock_guard<std::mutex> lock(mutex_);
    by_number_.erase(number);
  }
  // Null when it was removed.
  std::shared_ptr<const UniqueFd> Find(uintptr_t number) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = by_number_.find(number);
    return found != by_number_.end() ? found->second : nullptr;
  }

 private:
  std::mutex mutex_;
  // Under mutex_.
  uintptr_t last_ = 0;
  std::map<uintptr_t, std::shared_ptr<const UniqueFd>> by_number_;
};

class ThreadNotice final : public CompletionNotice {
 public:
  ThreadNotice(Reactor* reactor, std::function<void()> on_notice)
      : watched_(reactor, std::move(on_notice)) {}
  ~ThreadNotice() override { Events::Of().Remove(number_); }

  absl::Status Start() {
    const auto event =
        std::make_shared<UniqueFd>(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    absl::Status watched = watched_.Watch(event);
    if (watched.ok()) number_ = Events::Of().Add(event);
    return watched;
  }

  void Prepare(aiocb* request) override {
    sigval number{};
    number.sival_ptr = std::bit_cast<void*>(number_);
    request->aio_sigevent = {};
    request->aio_sigevent.sigev_notify = SIGEV_THREAD;
    request->aio_sigevent.sigev_notify_function = Tell;
    request->aio_sigevent.sigev_value = number;
  }
  Duration first_look() const override { return kLookAnyway; }

 private:
  // On a thread that glibc makes for it, with no signal blocked, whatever its
  // maker has blocked: see BlockSignals().
  static void Tell(sigval value) {
    const auto event =
        Events::Of().Find(std::bit_cast<uintptr_t>(value.sival_ptr));
    if (event == nullptr) return;
    const uint64_t one = 1;
    // Refused only when it is readable anyhow.
    [[maybe_unused]] const ssize_t n = write(event->get(), &one, sizeof(one));
  }

  NoticeFd watched_;
  uintptr_t number_ = 0;
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
