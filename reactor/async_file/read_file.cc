#include "reactor/async_file/read_file.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "reactor/async_file/async_file.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"
#include "reactor/run_until.h"

namespace weir {
namespace {

// Of a file larger than kPieces of these, pieces are larger: others need room
// in the queue too.
constexpr size_t kPiece = 64 * 1024;
constexpr size_t kPieces = 16;

// Owns itself through the callbacks that it waits for.
class Reading : public std::enable_shared_from_this<Reading> {
 public:
  Reading(std::string path, size_t most, FileRead done)
      : path_(std::move(path)), most_(most), done_(std::move(done)) {}

  void Begin(absl::StatusOr<std::unique_ptr<AsyncFile>> file) {
    if (!file.ok()) return Finish(file.status());
    file_ = *std::move(file);
    if (file_->regular()) {
      ReadPieces();
    } else {
      ReadOn();
    }
  }

 private:
  // All pieces with one call, and the byte behind the last, where a file that
  // grew has one.
  void ReadPieces() {
    const uint64_t size = file_->size();
    if (size > most_) return TooLarge();
    const uint64_t piece = std::max(kPiece, (size + kPieces - 1) / kPieces);
    std::vector<AsyncFile::Part> parts;
    for (uint64_t at = 0; at < size; at += piece) {
      parts.push_back({at, std::min(piece, size - at), nullptr});
    }
    parts.push_back({size, 1, nullptr});
    left_ = parts.size();
    bytes_.resize(size + 1);
    for (AsyncFile::Part& part : parts) {
      part.done = [self = shared_from_this(),
                   at = part.offset](AsyncFile::Result result) {
        self->OnPiece(at, std::move(result));
      };
    }
    if (absl::Status read = file_->ReadList(std::move(parts)); !read.ok()) {
      Finish(Named(read));
    }
  }

  void OnPiece(uint64_t at, AsyncFile::Result result) {
    if (!result.status.ok()) failed_ = std::move(result.status);
    std::copy(result.buffer.begin(), result.buffer.end(),
              bytes_.begin() + static_cast<std::ptrdiff_t>(at));
    read_ += result.size;
    if (--left_ > 0) return;
    if (!failed_.ok()) return Finish(Named(failed_));
    if (read_ != file_->size()) {
      return Finish(absl::AbortedError(absl::StrCat(
          path_, read_ < file_->size() ? ": shrank" : ": grew",
          " while it was read; write it elsewhere and rename it")));
    }
    bytes_.resize(read_);
    Finish(std::move(bytes_));
  }

  void ReadOn() {
    absl::Status read = file_->Read(
        read_, kPiece, [self = shared_from_this()](AsyncFile::Result result) {
          self->OnMore(std::move(result));
        });
    if (!read.ok()) Finish(Named(read));
  }

  void OnMore(AsyncFile::Result result) {
    if (!result.status.ok()) return Finish(Named(result.status));
    bytes_ += result.buffer;
    read_ += result.size;
    if (read_ > most_) return TooLarge();
    if (result.size < kPiece) return Finish(std::move(bytes_));
    ReadOn();
  }

  void TooLarge() {
    Finish(absl::OutOfRangeError(
        absl::StrCat(path_, ": larger than ", most_, " bytes")));
  }

  absl::Status Named(const absl::Status& status) const {
    return absl::Status(status.code(),
                        absl::StrCat(path_, ": ", status.message()));
  }

  void Finish(absl::StatusOr<std::string> bytes) {
    file_.reset();
    std::move(done_)(std::move(bytes));
  }

  const std::string path_;
  const size_t most_;
  FileRead done_;
  std::unique_ptr<AsyncFile> file_;
  std::string bytes_;
  size_t read_ = 0;
  size_t left_ = 0;  // pieces
  absl::Status failed_;
};

}  // namespace

void ReadFile(AioQueue* queue, std::string path, size_t most, FileRead done) {
  auto reading = std::make_shared<Reading>(path, most, std::move(done));
  AsyncFile::Open(queue, std::move(path), AsyncFile::OpenFor::kReading,
                  [reading](absl::StatusOr<std::unique_ptr<AsyncFile>> file) {
                    reading->Begin(std::move(file));
                  });
}

absl::StatusOr<std::string> ReadFileNow(const std::string& path, size_t most,
                                        Duration patience) {
  absl::StatusOr<std::unique_ptr<Poller>> poller =
      MakePoller(PollerKind::kEpoll);
  if (!poller.ok()) return poller.status();
  Reactor::Options options;
  options.poller = *std::move(poller);
  Reactor reactor(std::move(options));
  absl::StatusOr<std::unique_ptr<AioQueue>> queue =
      AioQueue::Create({.reactor = &reactor});
  if (!queue.ok()) return queue.status();
  bool opened = false;
  std::optional<absl::StatusOr<std::string>> read;
  auto reading = std::make_shared<Reading>(
      path, most,
      [&read](absl::StatusOr<std::string> bytes) { read = std::move(bytes); });
  AsyncFile::Open(
      queue->get(), path, AsyncFile::OpenFor::kReading,
      [reading, &opened](absl::StatusOr<std::unique_ptr<AsyncFile>> file) {
        opened = true;
        reading->Begin(std::move(file));
      });
  if (!RunUntil(&reactor, patience, [&read] { return read.has_value(); })) {
    return absl::DeadlineExceededError(absl::StrCat(
        path, opened ? ": not read within " : ": not opened within ",
        std::chrono::duration_cast<std::chrono::seconds>(patience).count(),
        opened ? " s: " : " s: is it a FIFO that nobody writes to, or ",
        "does its file system hang?"));
  }
  return *std::move(read);
}

}  // namespace weir
