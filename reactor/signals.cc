#include "reactor/signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <ucontext.h>
#include <unistd.h>

#include <functional>
#include <iterator>
#include <memory>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "reactor/callback_kind.h"
#include "reactor/errno_status.h"
#include "reactor/fd.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"

namespace weir {
namespace {

constexpr int kSignals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};

sigset_t WatchedSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kSignals) sigaddset(&set, signal);
  return set;
}

// In a thread that did not block `signal`: it does from now on, and a thread
// that reads a signalfd gets it.
void HandBack(int signal, siginfo_t*, void* context) {
  const int before = errno;
  sigaddset(&static_cast<ucontext_t*>(context)->uc_sigmask, signal);
  kill(getpid(), signal);
  errno = before;
}

}  // namespace

absl::Status BlockSignals() {
  sigset_t set = WatchedSignals();
  sigaddset(&set, FileSignal());
  if (const int error = pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
    return ErrnoStatus(error, "cannot block signals");
  }
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  for (const int signal : {SIGPIPE, SIGXFSZ}) {
    if (sigaction(signal, &ignore, nullptr) != 0) {
      return ErrnoStatus(errno, "cannot ignore a signal");
    }
  }
  struct sigaction back {};
  back.sa_sigaction = HandBack;
  back.sa_flags = SA_SIGINFO | SA_RESTART;
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    if (sigismember(&set, signal) == 1 &&
        sigaction(signal, &back, nullptr) != 0) {
      return ErrnoStatus(errno, "cannot handle a signal");
    }
  }
  return absl::OkStatus();
}

// (The first ones are glibc's and some tools' own.)
int FileSignal() { return SIGRTMIN + 3; }

absl::StatusOr<std::unique_ptr<SignalWatcher>> SignalWatcher::Create(
    Reactor& reactor, std::function<void(int)> on_signal) {
  const sigset_t set = WatchedSignals();
  UniqueFd fd(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!fd) return ErrnoStatus(errno, "cannot watch signals");
  auto watcher = absl::WrapUnique(
      new SignalWatcher(reactor, std::move(on_signal), std::move(fd)));
  const Reactor::Registration registration =
      reactor.Register(watcher->fd_.get(), FdKind::kLevel, watcher.get());
  if (registration.error != 0) {
    return ErrnoStatus(registration.error, "cannot watch signals");
  }
  watcher->handle_ = registration.handle;
  reactor.Arm(watcher->handle_, kRead);
  return watcher;
}

SignalWatcher::SignalWatcher(Reactor& reactor,
                             std::function<void(int)> on_signal, UniqueFd fd)
    : reactor_(reactor), on_signal_(std::move(on_signal)), fd_(std::move(fd)) {}

SignalWatcher::~SignalWatcher() {
  if (handle_ != Handle::kNone) reactor_.Close(handle_, std::move(fd_));
}

void SignalWatcher::OnReady(Ready) noexcept {
  reactor_.Describe(CallbackKind::kSignal, {});
  // One of each kind can be pending; more is reported again.
  signalfd_siginfo pending[std::size(kSignals)];
  ssize_t size;
  do size = read(fd_.get(), pending, sizeof(pending));
  while (size < 0 && errno == EINTR);
  if (size <= 0) return;
  const size_t count = static_cast<size_t>(size) / sizeof(pending[0]);
  for (size_t i = 0; i < count; ++i) {
    on_signal_(static_cast<int>(pending[i].ssi_signo));
  }
}

}  // namespace weir
