// Public. A thread for the calls on files that have no asynchronous form:
// open(2), close(2), stat(2). Each can hang for as long as its file system
// likes (NFS, FUSE), and a loop must not.

#ifndef REACTOR_ASYNC_FILE_FILE_THREAD_H_
#define REACTOR_ASYNC_FILE_FILE_THREAD_H_

#include <memory>

#include "absl/functional/any_invocable.h"
#include "reactor/clock.h"
#include "reactor/mailbox.h"
#include "reactor/reactor.h"

namespace weir {

// One for a loop; started with the first work. Loop thread only.
class FileThread {
 public:
  // Runs on the thread and may block; what it returns, if anything, then runs
  // on the loop.
  using Work = absl::AnyInvocable<Task() &&>;

  // `reactor` outlives this.
  explicit FileThread(Reactor* reactor);
  ~FileThread() { Stop(); }
  FileThread(const FileThread&) = delete;
  FileThread& operator=(const FileThread&) = delete;

  // In the order of the calls, one at a time. Where there is no thread (none
  // can be had, or it was stopped), the work runs here and now.
  void Run(Work work);

  // Work that was not begun within kExitWait is destroyed unrun, and so is what
  // was still to run on the loop. A thread that hangs by then is left behind:
  // it touches neither the loop nor this any more.
  void Stop();

 private:
  static constexpr Duration kExitWait = std::chrono::milliseconds(100);

  struct Shared;
  const std::shared_ptr<Shared> shared_;
};

}  // namespace weir

#endif  // REACTOR_ASYNC_FILE_FILE_THREAD_H_
