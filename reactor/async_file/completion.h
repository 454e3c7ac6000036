// Public. How a loop hears that a request of POSIX asynchronous I/O is over:
// it looks (polling), or it is told, by a signal or by a thread (interrupts).

#ifndef REACTOR_ASYNC_FILE_COMPLETION_H_
#define REACTOR_ASYNC_FILE_COMPLETION_H_

#include <aio.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "reactor/clock.h"
#include "reactor/reactor.h"

namespace weir {

enum class AioCompletion : uint8_t {
  kPolled,  // SIGEV_NONE: a timer asks aio_error()
  kSignal,  // SIGEV_SIGNAL: a real-time signal, taken by a signalfd
  kThread,  // SIGEV_THREAD: a thread of glibc's writes to an eventfd
};
inline constexpr std::array<std::string_view, 3> kAioCompletionNames = {
    "polled", "signal", "thread"};

// A notice can be lost: the queue of signals has a limit (RLIMIT_SIGPENDING, of
// all processes of a user), a thread may not be had. So whoever waits looks
// each kLookAnyway too. Loop thread only.
class CompletionNotice {
 public:
  static constexpr Duration kLookAnyway = std::chrono::milliseconds(100);
  // When to look first at what no notice comes of: a write into the page cache
  // takes some 20 us, and a timer rounds up to a millisecond.
  static constexpr Duration kFirstLook = std::chrono::milliseconds(1);

  virtual ~CompletionNotice() = default;

  // Before each submission of `request`: sets its aio_sigevent. A notice may
  // come late, when this is gone, or never.
  virtual void Prepare(aiocb* request) = 0;
  // When to look first after a submission; then after twice the time, up to
  // kLookAnyway.
  virtual Duration first_look() const = 0;

  // `on_notice` runs on the loop of `reactor`, which outlives the result, and
  // must not destroy it. For kSignal, BlockSignals() comes first. Fails where
  // the kernel gives no descriptor.
  static absl::StatusOr<std::unique_ptr<CompletionNotice>> Make(
      AioCompletion completion, Reactor* reactor,
      std::function<void()> on_notice);
};

}  // namespace weir

#endif  // REACTOR_ASYNC_FILE_COMPLETION_H_
