// Public. Signals as events of a loop, never as interruptions.

#ifndef REACTOR_SIGNALS_H_
#define REACTOR_SIGNALS_H_

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "reactor/fd.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"

namespace weir {

// Blocks SIGTERM, SIGINT, SIGHUP, SIGUSR1 and FileSignal() in the calling
// thread, and so in all that it starts: call it before the first thread (L01).
// A thread that has one of them unblocked all the same (glibc's of SIGEV_THREAD
// do) hands it back instead of ending the process. Ignores SIGPIPE, which
// splice(2) to a dead socket raises whatever its flags, and SIGXFSZ, so that a
// write beyond RLIMIT_FSIZE is an errno.
absl::Status BlockSignals();

// A real-time signal, of which each one sent is queued: for the ends of
// asynchronous file I/O.
int FileSignal();

// Hands the four signals to a callback on a loop, the control loop. Of a signal
// that comes again before it was read, one is seen (signal(7)). Loop thread
// only.
class SignalWatcher final : public EventHandler {
 public:
  // After BlockSignals(). `on_signal` gets the number of the signal and must
  // not destroy the watcher. `reactor` outlives it. Fails where the kernel
  // gives no descriptor.
  static absl::StatusOr<std::unique_ptr<SignalWatcher>> Create(
      Reactor& reactor, std::function<void(int)> on_signal);

  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;
  // The signals stay blocked.
  ~SignalWatcher();

 private:
  SignalWatcher(Reactor& reactor, std::function<void(int)> on_signal,
                UniqueFd fd);
  void OnReady(Ready ready) noexcept override;

  Reactor& reactor_;
  const std::function<void(int)> on_signal_;
  UniqueFd fd_;
  Handle handle_ = Handle::kNone;
};

}  // namespace weir

#endif  // REACTOR_SIGNALS_H_
