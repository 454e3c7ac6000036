// Public. One file, read and written by POSIX asynchronous I/O (aio(7)): every
// call returns at once, and the loop hears of the end.

#ifndef REACTOR_ASYNC_FILE_ASYNC_FILE_H_
#define REACTOR_ASYNC_FILE_ASYNC_FILE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "reactor/async_file/aio_queue.h"
#include "reactor/async_file/aio_request.h"
#include "reactor/fd.h"

namespace weir {

// What a file is, whatever its name.
struct FileId {
  uint64_t device = 0;
  uint64_t inode = 0;
  bool operator==(const FileId&) const = default;
};

// Loop thread only. The queue outlives it.
//
// Each operation takes a callback that runs once, in a later callback of the
// loop, and may destroy the file. A partial transfer is continued; EAGAIN (a
// full pipe, no resources) is tried again each CompletionNotice::kLookAnyway,
// without end: Cancel() ends that. ResourceExhausted, at once and without the
// callback: the queue is full.
class AsyncFile {
 public:
  struct Result {
    // Ok, or of ErrnoStatus(); Cancelled.
    absl::Status status;
    // Bytes transferred: fewer than asked for at the end of the file and with
    // an error.
    size_t size = 0;
    // Those read; the bytes that were to be written, all of them.
    std::string buffer;
  };
  using Done = absl::AnyInvocable<void(Result result) &&>;

  enum class OpenFor {
    kReading,
    // Made with mode 0640 if it is not there. With AioCompletion::kSignal it is
    // written at offsets that are counted here, for a write that succeeded can
    // then come back as EAGAIN and is repeated; what has no offsets (pipes,
    // terminals) is refused. Else with O_APPEND, so that several processes may
    // write to it, and it may be cut (copytruncate).
    kAppending,
  };
  using Opened =
      absl::AnyInvocable<void(absl::StatusOr<std::unique_ptr<AsyncFile>>) &&>;
  // Opens `path` on a thread; `done` runs on the loop. A FIFO that nobody reads
  // is ENXIO; one to read from is open when somebody writes to it, and no other
  // file of the queue before that.
  static void Open(AioQueue* queue, std::string path, OpenFor how, Opened done);

  // As Open() for appending would end, but that no file is made, and a FIFO is
  // not opened: its reader would see it closed. OK, then, whether or not there
  // is one.
  using Tried = absl::AnyInvocable<void(const absl::Status&) &&>;
  static void TryAppending(AioQueue* queue, std::string path, Tried done);

  // What lies at `path` now, asked on the file thread.
  using Identified = absl::AnyInvocable<void(absl::StatusOr<FileId>) &&>;
  static void Identify(AioQueue* queue, std::string path, Identified done);

  // Of what is open already; `size`: where Append() begins without O_APPEND.
  AsyncFile(AioQueue* queue, UniqueFd fd, FileId id, bool regular,
            uint64_t size, bool torn = false);
  // Cancels what has not begun; callbacks are destroyed unrun. The descriptor
  // is closed when the last request is over.
  ~AsyncFile();
  AsyncFile(const AsyncFile&) = delete;
  AsyncFile& operator=(const AsyncFile&) = delete;

  const FileId& id() const { return id_; }
  bool regular() const { return regular_; }
  // When it was opened.
  uint64_t size() const { return size_; }
  // Opened for appending, when its last byte was no newline: who wrote it ended
  // within a line, or is within it. False where that may not be read.
  bool torn() const { return torn_; }

  [[nodiscard]] absl::Status Read(uint64_t offset, size_t size, Done done);
  struct Part {
    uint64_t offset;
    size_t size;
    Done done;
  };
  // Several with one call, in no order.
  [[nodiscard]] absl::Status ReadList(std::vector<Part> parts);
  [[nodiscard]] absl::Status Write(uint64_t offset, std::string bytes,
                                   Done done);
  // In the order of the calls, one at a time, so that the rest of a partial
  // write comes before what follows it.
  [[nodiscard]] absl::Status Append(std::string bytes, Done done);
  // fdatasync(2), behind the appends before it.
  [[nodiscard]] absl::Status Sync(Done done);

  // Ends what has not begun, with Cancelled. What a helper thread is at goes on
  // and ends as it ends.
  void Cancel();

 private:
  std::unique_ptr<AioRequest> NewRequest(AioKind kind, uint64_t offset,
                                         std::string buffer, Done done);
  absl::Status InTurn(std::unique_ptr<AioRequest> request);
  void NextTurn();

  AioQueue* const queue_;
  const std::shared_ptr<OpenFile> file_;
  const FileId id_;
  const bool regular_;
  const uint64_t size_;
  const bool torn_;
  uint64_t end_;  // where the next append goes
  // Appends and syncs that wait for their turn.
  std::deque<std::unique_ptr<AioRequest>> turns_;
  bool busy_ = false;  // one of them is with the queue
};

}  // namespace weir

#endif  // REACTOR_ASYNC_FILE_ASYNC_FILE_H_
