// Internal to reactor/async_file. One request, and the descriptor that it is
// about.

#ifndef REACTOR_ASYNC_FILE_AIO_REQUEST_H_
#define REACTOR_ASYNC_FILE_AIO_REQUEST_H_

#include <aio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "reactor/async_file/file_thread.h"
#include "reactor/clock.h"
#include "reactor/fd.h"

namespace weir {

// A descriptor with requests on it. Each request has a share, for a descriptor
// that is closed with one queued gives its number to whoever opens next, and
// the request then writes there.
class OpenFile {
 public:
  OpenFile(UniqueFd fd, std::shared_ptr<FileThread> thread)
      : fd_(std::move(fd)), thread_(std::move(thread)) {}
  // Closed on the file thread: it can hang (FUSE, NFS). If that thread hangs to
  // the end, it is never closed.
  ~OpenFile() {
    thread_->Run([fd = fd_.Release()] {
      const UniqueFd closed(fd);
      return Task();
    });
  }

  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  const std::shared_ptr<FileThread> thread_;
};

enum class AioKind : uint8_t { kReading, kWriting, kSyncing };

// Stays where it is while it is submitted. Loop thread only, but for what the
// helper threads of the system do with `block` and `buffer`.
struct AioRequest {
  // `status` says how it ended; `request` has the bytes.
  using Ended = absl::AnyInvocable<void(std::unique_ptr<AioRequest> request,
                                        absl::Status status) &&>;

  AioKind kind = AioKind::kReading;
  std::shared_ptr<OpenFile> file;
  std::string buffer;
  uint64_t offset = 0;  // of the first byte of `buffer` in the file
  size_t done = 0;      // bytes of `buffer` that were transferred
  Ended ended;          // null: nobody wants to know any more
  bool cancelled = false;

  // No notice is asked for, it is only looked for.
  bool silent = false;
  bool submitted = false;
  int refused = 0;  // the errno of its last submission
  MonoTime queued_at;
  aiocb block{};
};

}  // namespace weir

#endif  // REACTOR_ASYNC_FILE_AIO_REQUEST_H_
