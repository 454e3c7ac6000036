#include "proxy/observe/access_log/log_file.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace weir {

LogFile::LogFile(Options options) : options_(std::move(options)) { Open(); }

void LogFile::Become(State state) {
  state_ = state;
  options_.changed();
}

void LogFile::Open() {
  if (std::exchange(opening_, true)) {
    open_again_ = true;
    return;
  }
  AsyncFile::Open(options_.queue, options_.path, AsyncFile::OpenFor::kAppending,
                  [weak = std::weak_ptr(self_)](
                      absl::StatusOr<std::unique_ptr<AsyncFile>> file) {
                    const auto self = weak.lock();
                    if (self != nullptr) (*self)->OnOpened(std::move(file));
                  });
}

void LogFile::Reopen() {
  // (Not the wait for the old file.)
  if (!next_.has_value()) options_.reactor->Cancel(this);
  Open();
}

void LogFile::OnOpened(absl::StatusOr<std::unique_ptr<AsyncFile>> file) {
  opening_ = false;
  if (std::exchange(open_again_, false)) return Open();
  if (file.ok() && std::exchange(opened_once_, true)) metrics_.reopens.Add();
  if (file.ok() && file_ != nullptr && (*file)->id() == file_->id()) {
    // Nothing was renamed.
    options_.reactor->Cancel(this);
    next_.reset();
    looked_at_ = options_.reactor->Now();
    if (holds_batch()) Append();
    return;
  }
  next_ = std::move(file);
  if (!appending_) return Switch();
  if (!scheduled()) {
    options_.reactor->Schedule(this, options_.reactor->Now() + kOldFile);
  }
}

void LogFile::Switch() {
  options_.reactor->Cancel(this);
  absl::StatusOr<std::unique_ptr<AsyncFile>> next = *std::move(next_);
  next_.reset();
  if (!next.ok()) return Fail(next.status());
  file_ = *std::move(next);
  looked_at_ = options_.reactor->Now();
  // A pipe that was closed has lost what was in it; a file that is shorter than
  // what the line has of it was cut.
  if (!file_->regular() || file_->id() != torn_id_ ||
      file_->size() < torn_have_) {
    DropTorn();
  }
  if (torn_have_ == 0) torn_ = file_->torn() ? "\n" : "";
  if (!write_failed_) trouble_ = absl::OkStatus();
  // (The end of a cut line waits for no other line.)
  if (!holds_batch() && torn_.empty()) return Become(State::kReady);
  state_ = State::kWriting;
  Append();
  options_.changed();
}

void LogFile::Write(std::string batch, size_t lines) {
  batch_ = std::move(batch);
  lines_ = lines;
  state_ = State::kWriting;
  if (options_.reactor->Now() - looked_at_ < kLook) return Append();
  AsyncFile::Identify(
      options_.queue, options_.path,
      [weak = std::weak_ptr(self_)](const absl::StatusOr<FileId>& id) {
        const auto self = weak.lock();
        if (self != nullptr) (*self)->OnIdentified(id);
      });
}

void LogFile::OnIdentified(const absl::StatusOr<FileId>& id) {
  // Another file may have been opened meanwhile, for Reopen().
  if (file_ == nullptr || !holds_batch()) return;
  if (id.ok() && *id == file_->id()) {
    looked_at_ = options_.reactor->Now();
    return Append();
  }
  if (!opening_) Open();
}

void LogFile::Append() {
  if (!options_.queue->HasRoom(1)) {
    return Fail(
        absl::ResourceExhaustedError("too many writes to earlier files hang"));
  }
  appending_ = true;
  batch_.insert(0, torn_);
  file_
      ->Append(
          std::exchange(batch_, {}),
          [this](AsyncFile::Result result) { OnWritten(std::move(result)); })
      .IgnoreError();  // there is room
}

void LogFile::OnWritten(AsyncFile::Result result) {
  appending_ = false;
  metrics_.bytes.Add(result.size);
  write_failed_ = !result.status.ok();
  if (write_failed_) {
    CountPart(result);
    trouble_ = result.status;
  } else {
    metrics_.lines.Add(lines_ + torn_lines());
    torn_.clear();
    torn_have_ = 0;
    trouble_ = absl::OkStatus();
  }
  lines_ = 0;
  spare_ = std::move(result.buffer);
  if (next_.has_value()) return Switch();
  if (write_failed_) return Fail(std::move(result.status));
  Become(State::kReady);
}

void LogFile::CountPart(const AsyncFile::Result& result) {
  std::string_view all = result.buffer;
  std::string_view written = all.substr(0, result.size);
  if (!written.empty() && !torn_.empty() && torn_have_ == 0) {
    // The end of another's line.
    all.remove_prefix(1);
    written.remove_prefix(1);
  }
  const auto whole =
      static_cast<size_t>(std::count(written.begin(), written.end(), '\n'));
  const size_t given = lines_ + torn_lines();
  if (whole > 0) torn_have_ = 0;
  torn_have_ += written.size() - (written.rfind('\n') + 1);
  metrics_.lines.Add(whole);
  metrics_.dropped.Add(given - whole - torn_lines());
  if (torn_have_ == 0) return;
  torn_id_ = file_->id();
  torn_ = all.substr(written.size(),
                     all.find('\n', written.size()) + 1 - written.size());
}

void LogFile::Fail(absl::Status why) {
  file_.reset();
  trouble_ = std::move(why);
  if (!opening_) {
    options_.reactor->Schedule(this, options_.reactor->Now() + kRetry);
  }
  Become(State::kFailing);
}

void LogFile::OnTimer() noexcept {
  if (!next_.has_value()) return Open();
  // The old file does not answer.
  file_.reset();
  appending_ = false;
  metrics_.dropped.Add(std::exchange(lines_, 0));
  DropTorn();
  Switch();
}

void LogFile::DropTorn() {
  metrics_.dropped.Add(torn_lines());
  torn_have_ = 0;
}

size_t LogFile::Abandon() {
  options_.reactor->Cancel(this);
  self_.reset();
  file_.reset();
  next_.reset();
  state_ = State::kFailing;
  const size_t lost = lines_ + torn_lines();
  lines_ = 0;
  torn_have_ = 0;
  return lost;
}

std::string LogFile::TakeBuffer() {
  std::string buffer = std::move(spare_);
  buffer.clear();
  return buffer;
}

}  // namespace weir
