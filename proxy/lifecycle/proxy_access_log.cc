// The access log of a proxy: opened before the first client, flushed after the
// last.

#include <errno.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proxy/lifecycle/access_log_error.h"
#include "proxy/lifecycle/proxy.h"
#include "reactor/errno_status.h"
#include "reactor/run_until.h"

namespace weir {
namespace {

// What a flush gets at least, and after a second signal.
constexpr Duration kFlushAtLeast = std::chrono::seconds(1);
constexpr Duration kFlushNow = std::chrono::milliseconds(100);

bool IsFifo(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISFIFO(info.st_mode);
}

}  // namespace

absl::Status Proxy::MakeAccessLog() {
  const AccessLogSettings& settings = settings_.access_log;
  if (settings.file.empty()) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<AioQueue>> files = AioQueue::Create(
      {.reactor = control_.get(), .completion = settings.file_io});
  if (!files.ok()) return files.status();
  files_ = *std::move(files);
  AccessLog::Options options;
  options.reactor = control_.get();
  options.queue = files_.get();
  options.path = settings.file;
  options.loops = pool_->size();
  options.sink.format = settings.format;
  options.sink.open_lines = settings.open_lines;
  options.sink.every = settings.every;
  options.sink.ring_bytes = static_cast<size_t>(settings.buffer);
  options.say = [this](LogLevel level, std::string_view text) {
    log_->Line(level, text);
  };
  access_log_ = std::make_unique<AccessLog>(std::move(options));
  if (!RunUntil(control_.get(), kAccessLogOpenWithin,
                [this] { return !access_log_->opening(); })) {
    return AccessLogHangs(settings.file);
  }
  // What follows is no round of the loop.
  monitors_.back()->Finished(control_->clock());
  const absl::Status& trouble = access_log_->trouble();
  if (trouble.ok()) return absl::OkStatus();
  if (ErrnoOf(trouble) != ENXIO || !IsFifo(settings.file)) {
    return AccessLogError(trouble);
  }
  warnings_.push_back(absl::StrCat(
      "--access_log=", settings.file,
      ": nobody reads this FIFO yet; lines wait for a reader, and are dropped "
      "when there is no more room"));
  return absl::OkStatus();
}

void Proxy::ReopenAccessLog() {
  if (access_log_ == nullptr) return;
  log_->Line(LogLevel::kInfo, "SIGUSR1: the access log is opened again");
  access_log_->Reopen();
}

void Proxy::FlushAccessLog() {
  if (access_log_ == nullptr) return;
  const MonoTime began = control_->clock().Now();
  Duration time = kFlushAtLeast;
  if (drain_->begun()) {
    time = std::max(time, settings_.drain.timeout - drain_->elapsed());
  }
  MonoTime deadline = began + time;
  access_log_->BeginFlush();
  for (bool hurried = false; !access_log_->flushed();) {
    const MonoTime now = control_->clock().Now();
    // Such a signal may still come.
    if (exit_now_.has_value() && !std::exchange(hurried, true)) {
      deadline = std::min(deadline, now + kFlushNow);
    }
    if (now >= deadline) break;
    control_->RunOnce(deadline - now);
  }
  monitors_.back()->Finished(control_->clock());
  access_log_->EndFlush();
}

}  // namespace weir
