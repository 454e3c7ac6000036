#include "metrics/quiet_thread.h"

#include <pthread.h>
#include <signal.h>

#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace weir {

absl::StatusOr<std::thread> StartQuietThread(const std::string& name,
                                             std::function<void()> main) {
  // The new thread inherits this.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  absl::StatusOr<std::thread> thread = std::thread();
  try {
    *thread = std::thread(std::move(main));
    // By its maker, so that it has the name once this returns.
    pthread_setname_np(thread->native_handle(), name.c_str());
  } catch (const std::system_error& error) {
    thread = absl::UnavailableError(
        absl::StrCat("cannot start the thread ", name, ": ", error.what()));
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace weir
