// Public. A whole small file, such as one of settings, without blocking a loop.

#ifndef REACTOR_ASYNC_FILE_READ_FILE_H_
#define REACTOR_ASYNC_FILE_READ_FILE_H_

#include <cstddef>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "reactor/async_file/aio_queue.h"
#include "reactor/clock.h"

namespace weir {

// Gives `done` the bytes of `path`, in a later callback of the queue's loop.
// Pipes are read to their end, and a FIFO is waited for until somebody writes
// to it, as open(2) does. The message of an error names the path: it cannot be
// opened or read, is larger than `most` bytes, or a regular file grew or shrank
// meanwhile, so that what was read may be of two versions.
using FileRead = absl::AnyInvocable<void(absl::StatusOr<std::string>) &&>;
void ReadFile(AioQueue* queue, std::string path, size_t most, FileRead done);

// The same for a program whose loops do not run yet: a loop of its own, for at
// most `patience`, beyond which neither a file system that hangs nor somebody
// who should write to a FIFO is waited for.
// Polled, so that no signal need be blocked.
absl::StatusOr<std::string> ReadFileNow(const std::string& path, size_t most,
                                        Duration patience);

}  // namespace weir

#endif  // REACTOR_ASYNC_FILE_READ_FILE_H_
