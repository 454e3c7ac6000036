#include "reactor/async_file/async_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "reactor/errno_status.h"
#include "reactor/kernel.h"

namespace weir {
namespace {

FileId IdOf(const struct stat& info) {
  return {static_cast<uint64_t>(info.st_dev),
          static_cast<uint64_t>(info.st_ino)};
}

constexpr int kAlways = O_CLOEXEC | O_NOCTTY;

// Without O_NONBLOCK a FIFO is not open before somebody writes to it: until
// then it would read as empty.
int FlagsFor(AsyncFile::OpenFor how, AioCompletion completion) {
  if (how == AsyncFile::OpenFor::kReading) return kAlways | O_RDONLY;
  return kAlways | O_NONBLOCK | O_WRONLY | O_CREAT |
         (completion == AioCompletion::kSignal ? 0 : O_APPEND);
}

bool NeedsOffsets(AsyncFile::OpenFor how, AioCompletion completion) {
  return how == AsyncFile::OpenFor::kAppending &&
         completion == AioCompletion::kSignal;
}

absl::Status CannotOpen(int error, const std::string& path) {
  return ErrnoStatus(error, "cannot open " + path);
}

absl::Status HasNoOffsets(const std::string& path) {
  return ErrnoStatus(ESPIPE, "cannot write to " + path,
                     ": told of by signals it must be a regular file");
}

// Why what is of that kind can be no AsyncFile.
absl::Status Unfit(const std::string& path, mode_t kind, bool needs_offsets) {
  if (S_ISDIR(kind)) return CannotOpen(EISDIR, path);
  if (needs_offsets && !S_ISREG(kind)) return HasNoOffsets(path);
  if (S_ISSOCK(kind)) return CannotOpen(ENXIO, path);
  return absl::OkStatus();
}

absl::Status Try(const std::string& path, bool needs_offsets) {
  std::filesystem::path written = path;
  int how = W_OK;
  struct stat info {};
  if (stat(path.c_str(), &info) == 0) {
    absl::Status unfit = Unfit(path, info.st_mode, needs_offsets);
    if (!unfit.ok()) return unfit;
  } else if (errno == ENOENT) {
    // It would be made, and where, a link may say.
    std::error_code error;
    while (std::filesystem::is_symlink(written, error)) {
      written =
          written.parent_path() / std::filesystem::read_symlink(written, error);
    }
    written = written.parent_path() / ".";
    how |= X_OK;
  } else {
    return CannotOpen(errno, path);
  }
  if (faccessat(AT_FDCWD, written.c_str(), how, AT_EACCESS) != 0) {
    return CannotOpen(errno, path);
  }
  return absl::OkStatus();
}

// Of the regular file `path`, which is `info`; an empty one has no byte at -1.
// Opened once more, for to open it for both at once needs the right to both.
bool EndsWithinLine(const std::string& path, const struct stat& info) {
  const UniqueFd fd(open(path.c_str(), kAlways | O_NONBLOCK | O_RDONLY));
  struct stat found {};
  char last = '\n';
  return fd && fstat(fd.get(), &found) == 0 && IdOf(found) == IdOf(info) &&
         pread(fd.get(), &last, 1, info.st_size - 1) == 1 && last != '\n';
}

absl::Status QueueIsFull() {
  return absl::ResourceExhaustedError("too many requests are outstanding");
}

}  // namespace

void AsyncFile::Open(AioQueue* queue, std::string path, OpenFor how,
                     Opened done) {
  constexpr mode_t kMode = 0640;
  const int flags = FlagsFor(how, queue->completion());
  const bool needs_offsets = NeedsOffsets(how, queue->completion());
  queue->opener().Run([queue, path = std::move(path), how, flags, needs_offsets,
                       done = std::move(done)]() mutable -> Task {
    UniqueFd fd(open(path.c_str(), flags, kMode));
    struct stat info {};
    absl::Status failed;
    // O_NONBLOCK is for pipes; a regular file knows no such thing, which is why
    // all this is needed.
    if (!fd || fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0 ||
        fstat(fd.get(), &info) != 0) {
      // (No regular file is ENXIO.)
      failed = needs_offsets && errno == ENXIO ? HasNoOffsets(path)
                                               : CannotOpen(errno, path);
    } else {
      failed = Unfit(path, info.st_mode, needs_offsets);
    }
    const bool torn = failed.ok() && how == OpenFor::kAppending &&
                      S_ISREG(info.st_mode) && EndsWithinLine(path, info);
    return [queue, failed = std::move(failed), fd = std::move(fd), info, torn,
            done = std::move(done)]() mutable {
      if (!failed.ok()) return std::move(done)(std::move(failed));
      std::move(done)(std::make_unique<AsyncFile>(
          queue, std::move(fd), IdOf(info), S_ISREG(info.st_mode),
          static_cast<uint64_t>(info.st_size), torn));
    };
  });
}

void AsyncFile::TryAppending(AioQueue* queue, std::string path, Tried done) {
  queue->opener().Run(
      [path = std::move(path),
       needs_offsets = NeedsOffsets(OpenFor::kAppending, queue->completion()),
       done = std::move(done)]() mutable -> Task {
        return [tried = Try(path, needs_offsets),
                done = std::move(done)]() mutable { std::move(done)(tried); };
      });
}

void AsyncFile::Identify(AioQueue* queue, std::string path, Identified done) {
  queue->thread()->Run(
      [path = std::move(path), done = std::move(done)]() mutable -> Task {
        struct stat info {};
        absl::StatusOr<FileId> id;
        if (stat(path.c_str(), &info) == 0) {
          id = IdOf(info);
        } else {
          id = ErrnoStatus(errno, "cannot look at " + path);
        }
        return [id = std::move(id), done = std::move(done)]() mutable {
          std::move(done)(std::move(id));
        };
      });
}

AsyncFile::AsyncFile(AioQueue* queue, UniqueFd fd, FileId id, bool regular,
                     uint64_t size, bool torn)
    : queue_(queue),
      file_(std::make_shared<OpenFile>(std::move(fd), queue->thread())),
      id_(id),
      regular_(regular),
      size_(size),
      torn_(torn),
      end_(size) {}

AsyncFile::~AsyncFile() {
  queue_->Orphan(*file_);
  queue_->Cancel(*file_);
  queue_->Hold(-static_cast<int>(turns_.size()));
}

std::unique_ptr<AioRequest> AsyncFile::NewRequest(AioKind kind, uint64_t offset,
                                                  std::string buffer,
                                                  Done done) {
  auto request = std::make_unique<AioRequest>();
  request->kind = kind;
  request->file = file_;
  request->offset = offset;
  // A signal that finds no room in its queue takes the place of the result, and
  // what was read from a pipe would be lost.
  request->silent = !regular_ && queue_->completion() == AioCompletion::kSignal;
  request->buffer = std::move(buffer);
  request->ended = [done = std::move(done)](std::unique_ptr<AioRequest> ended,
                                            absl::Status status) mutable {
    Result result;
    result.status = std::move(status);
    result.size = ended->done;
    result.buffer = std::move(ended->buffer);
    if (ended->kind == AioKind::kReading) result.buffer.resize(result.size);
    ended.reset();
    std::move(done)(std::move(result));
  };
  return request;
}

absl::Status AsyncFile::Read(uint64_t offset, size_t size, Done done) {
  if (!queue_->HasRoom(1)) return QueueIsFull();
  queue_->Submit(NewRequest(AioKind::kReading, offset, std::string(size, '\0'),
                            std::move(done)));
  return absl::OkStatus();
}

absl::Status AsyncFile::ReadList(std::vector<Part> parts) {
  if (!queue_->HasRoom(parts.size())) return QueueIsFull();
  std::vector<std::unique_ptr<AioRequest>> requests;
  for (Part& part : parts) {
    requests.push_back(NewRequest(AioKind::kReading, part.offset,
                                  std::string(part.size, '\0'),
                                  std::move(part.done)));
  }
  queue_->SubmitList(std::move(requests));
  return absl::OkStatus();
}

absl::Status AsyncFile::Write(uint64_t offset, std::string bytes, Done done) {
  if (!queue_->HasRoom(1)) return QueueIsFull();
  queue_->Submit(
      NewRequest(AioKind::kWriting, offset, std::move(bytes), std::move(done)));
  return absl::OkStatus();
}

absl::Status AsyncFile::Append(std::string bytes, Done done) {
  return InTurn(
      NewRequest(AioKind::kWriting, 0, std::move(bytes), std::move(done)));
}

absl::Status AsyncFile::Sync(Done done) {
  return InTurn(NewRequest(AioKind::kSyncing, 0, {}, std::move(done)));
}

absl::Status AsyncFile::InTurn(std::unique_ptr<AioRequest> request) {
  if (!queue_->HasRoom(1)) return QueueIsFull();
  queue_->Hold(1);
  turns_.push_back(std::move(request));
  if (!busy_) NextTurn();
  return absl::OkStatus();
}

void AsyncFile::NextTurn() {
  busy_ = !turns_.empty();
  if (!busy_) return;
  std::unique_ptr<AioRequest> request = std::move(turns_.front());
  turns_.pop_front();
  queue_->Hold(-1);
  if (request->kind == AioKind::kWriting) request->offset = end_;
  // The next one goes before the callback, which may destroy this.
  request->ended = [this, tell = std::move(request->ended)](
                       std::unique_ptr<AioRequest> ended,
                       absl::Status status) mutable {
    end_ += ended->done;
    NextTurn();
    std::move(tell)(std::move(ended), std::move(status));
  };
  queue_->Submit(std::move(request));
}

void AsyncFile::Cancel() {
  queue_->Cancel(*file_);
  // They do not wait for what goes on.
  for (auto& request : std::exchange(turns_, {})) {
    request->cancelled = true;
    queue_->Hold(-1);
    queue_->Submit(std::move(request));
  }
}

}  // namespace weir
