// Public. The requests of POSIX asynchronous I/O of one loop: a bounded number
// of them, their completion, and what is done when one was partial or refused.

#ifndef REACTOR_ASYNC_FILE_AIO_QUEUE_H_
#define REACTOR_ASYNC_FILE_AIO_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "metrics/registry.h"
#include "reactor/async_file/aio_calls.h"
#include "reactor/async_file/aio_metrics.h"
#include "reactor/async_file/aio_request.h"
#include "reactor/async_file/completion.h"
#include "reactor/async_file/file_thread.h"
#include "reactor/reactor.h"
#include "reactor/timer_wheel.h"

namespace weir {

// Loop thread only. AsyncFile (async_file.h) is how it is used.
class AioQueue final : private Timer {
 public:
  struct Options {
    Reactor* reactor = nullptr;  // required; outlives the queue
    AioCompletion completion = AioCompletion::kPolled;
    AioCalls* calls = &AioCalls::Real();
    // Of all files together, waiting ones too.
    size_t max_requests = 64;
  };

  // For AioCompletion::kSignal, BlockSignals() comes first. Fails where the
  // kernel gives no descriptor.
  static absl::StatusOr<std::unique_ptr<AioQueue>> Create(Options options);

  // What has not begun is cancelled, and nobody is told of anything any more. A
  // request that a helper thread is at cannot be cancelled: it is left behind
  // with its buffer and its descriptor, and that is never closed. Not from a
  // callback of its own.
  ~AioQueue();
  AioQueue(const AioQueue&) = delete;
  AioQueue& operator=(const AioQueue&) = delete;

  AioCompletion completion() const { return options_.completion; }
  // Requests that are submitted or wait, here or in their file.
  size_t size() const { return requests_.size() + held_; }
  // For what blocks: close and stat; and open, on a thread of its own, so that
  // another file can be opened while a file system hangs.
  const std::shared_ptr<FileThread>& thread() const { return thread_; }
  FileThread& opener() { return opener_; }

  // Any thread. Names what is counted here: <prefix>file_...
  void Register(const std::string& prefix, Registry* registry) const {
    metrics_.Register(prefix, &options_.reactor->clock(), registry);
  }

  // --- For AsyncFile --------------------------------------------------------

  using RequestPtr = std::unique_ptr<AioRequest>;

  // Whether `count` more requests may come.
  bool HasRoom(size_t count) const {
    return size() + count <= options_.max_requests;
  }
  // That many wait in their file: they count.
  void Hold(int count) { held_ += static_cast<size_t>(count); }
  // Takes a request, or several with one call. `ended` runs in a later
  // callback, once, unless the file is gone by then.
  void Submit(RequestPtr request);
  void SubmitList(std::vector<RequestPtr> requests);
  // Ends the requests of `file` that have not begun, as cancelled.
  void Cancel(const OpenFile& file);
  // Nobody is told of this file's requests any more.
  void Orphan(const OpenFile& file);

 private:
  explicit AioQueue(Options options);

  void OnTimer() noexcept override;
  void OnNotice();
  // Looks at every request: what is over is ended or goes on; what was refused
  // is submitted again if `retry`. Returns how many ended of which there is a
  // notice.
  size_t Look(bool retry);
  // Submits it, or what is left of it; a refusal is noted in it.
  void Start(AioRequest* request);
  void Prepare(AioRequest* request);
  // What becomes of a request that the system is done with. True when it has
  // ended for good, as `*status` says.
  bool Settle(AioRequest* request, absl::Status* status);
  void Add(RequestPtr request);
  void LookWithin(Duration wait);
  void CountOutstanding();

  const Options options_;
  const std::shared_ptr<FileThread> thread_;
  FileThread opener_;
  std::unique_ptr<CompletionNotice> notice_;
  std::vector<RequestPtr> requests_;
  // That have ended and were not told yet, within Look().
  std::vector<std::pair<RequestPtr, absl::Status>> over_;
  size_t held_ = 0;
  Duration wait_{};  // until the next look
  AioMetrics metrics_;
};

}  // namespace weir

#endif  // REACTOR_ASYNC_FILE_AIO_QUEUE_H_
