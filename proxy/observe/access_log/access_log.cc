#include "proxy/observe/access_log/access_log.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace weir {
namespace {

// The last line of a batch may be as long as a line gets.
constexpr size_t kTake = AccessLog::kBatch - kMaxAccessLine;

}  // namespace

AccessLog::AccessLog(Options options)
    : options_(std::move(options)),
      file_({.reactor = options_.reactor,
             .queue = options_.queue,
             .path = options_.path,
             .changed = [this] { OnChanged(); }}) {
  for (size_t i = 0; i < options_.loops; ++i) {
    AccessSink::Options sink = options_.sink;
    sink.wake = [reactor = options_.reactor, weak = std::weak_ptr(self_)] {
      reactor->Post([weak] {
        if (const auto self = weak.lock(); self != nullptr) (*self)->Pump();
      });
    };
    sinks_.push_back(std::make_unique<AccessSink>(std::move(sink)));
  }
}

void AccessLog::Reopen() { file_.Reopen(); }

void AccessLog::OnChanged() {
  SetState();
  TellTrouble();
  tried_ = true;
  flush_failed_ |= flushing_ && file_.state() == LogFile::State::kFailing;
  if (file_.state() != LogFile::State::kReady) return;
  if (std::exchange(wrote_, false) && !full_ && !flushing_) {
    options_.reactor->Schedule(this, options_.reactor->Now() + kDelay);
    return;
  }
  Pump();
}

void AccessLog::Pump() {
  if (file_.state() != LogFile::State::kReady || scheduled()) return;
  // One line shows whether a file that failed takes lines again.
  const size_t most = file_.trouble().ok() ? kTake : 1;
  std::string batch = file_.TakeBuffer();
  size_t lines = 0;
  for (size_t i = 0; i < sinks_.size() && batch.size() < most; ++i) {
    lines += sinks_[(next_ + i) % sinks_.size()]->Take(most, &batch);
  }
  next_ = (next_ + 1) % sinks_.size();
  if (lines == 0) return Sleep();
  wrote_ = true;
  full_ = batch.size() >= most;
  SetWriting();
  file_.Write(std::move(batch), lines);
}

void AccessLog::Sleep() {
  bool asleep = true;
  for (const auto& sink : sinks_) asleep &= sink->Sleep();
  if (asleep) return;
  options_.reactor->Schedule(this, options_.reactor->Now() + kDelay);
}

bool AccessLog::Empty() const {
  return std::all_of(sinks_.begin(), sinks_.end(),
                     [](const auto& sink) { return sink->empty(); });
}

void AccessLog::SetWriting() {
  writing_since_.Set(options_.reactor->Now().time_since_epoch().count());
}

void AccessLog::SetState() {
  const LogFile::State state = file_.state();
  if (state != LogFile::State::kWriting) {
    writing_since_.Set(0);
  } else if (writing_since_.Value() == 0) {
    SetWriting();  // what waited for a file
  }
  open_.Set(state != LogFile::State::kOpening && file_.trouble().ok() ? 1 : 0);
  const std::lock_guard<std::mutex> lock(mutex_);
  reason_ = std::string(file_.trouble().message());
}

void AccessLog::TellTrouble() {
  if (file_.trouble().ok() != failing_) return;
  failing_ = !failing_;
  if (failing_) {
    dropped_before_ = Dropped();
    if (!tried_) return;
    options_.say(LogLevel::kWarning,
                 absl::StrCat("access log: ", file_.trouble().message(),
                              "; tried again each second"));
    return;
  }
  options_.say(
      LogLevel::kWarning,
      absl::StrCat("access log: ", options_.path, " takes lines again, ",
                   Dropped() - dropped_before_, " were dropped"));
}

void AccessLog::BeginFlush() {
  flushing_ = true;
  options_.reactor->Cancel(this);
  if (file_.state() == LogFile::State::kFailing) file_.Reopen();
  Pump();
}

bool AccessLog::flushed() const {
  return flush_failed_ || (file_.state() == LogFile::State::kReady && Empty());
}

void AccessLog::EndFlush() {
  options_.reactor->Cancel(this);
  uint64_t lost = file_.Abandon();
  std::string lines;
  for (const auto& sink : sinks_) {
    while (const size_t taken = sink->Take(kBatch, &lines)) {
      lost += taken;
      lines.clear();
    }
  }
  exit_dropped_.Add(lost);
  if (lost == 0) return;
  options_.say(LogLevel::kWarning,
               absl::StrCat("access log: ", lost, " lines were not written: ",
                            options_.path, " did not take them in time"));
}

bool AccessLog::up() const {
  const int64_t since = writing_since_.Value();
  const int64_t now =
      options_.reactor->clock().Now().time_since_epoch().count();
  return open_.Value() != 0 && (since == 0 || now - since < kHang.count());
}

uint64_t AccessLog::Dropped() const {
  uint64_t dropped = file_.metrics().dropped.Value() + exit_dropped_.Value();
  for (const auto& sink : sinks_) dropped += sink->dropped().Value();
  return dropped;
}

AccessLogStatus AccessLog::status() const {
  AccessLogStatus status;
  status.file = options_.path;
  status.up = up();
  status.lines = file_.metrics().lines.Value();
  status.dropped = Dropped();
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!reason_.empty()) {
    status.state = absl::StrCat("failing: ", reason_);
  } else if (open_.Value() == 0) {
    status.state = "opening";
  } else {
    status.state = status.up ? "writing" : "hanging: a write does not return";
  }
  return status;
}

void AccessLog::Register(Registry* registry) const {
  registry->AddCounter("weir_access_log_lines_total",
                       "Lines of the access log that are in the file.", {},
                       &file_.metrics().lines);
  constexpr char kDropped[] = "weir_access_log_dropped_total";
  constexpr char kDroppedHelp[] =
      "Lines of the access log that were not written: the ring was full, the "
      "output failed, the process ended.";
  for (const auto& sink : sinks_) {
    registry->AddCounter(kDropped, kDroppedHelp, {{"reason", "full"}},
                         &sink->dropped());
  }
  registry->AddCounter(kDropped, kDroppedHelp, {{"reason", "output"}},
                       &file_.metrics().dropped);
  registry->AddCounter(kDropped, kDroppedHelp, {{"reason", "exit"}},
                       &exit_dropped_);
  registry->AddCounter("weir_access_log_bytes_total",
                       "Bytes that were written to the access log.", {},
                       &file_.metrics().bytes);
  registry->AddCounter(
      "weir_access_log_reopens_total",
      "Times that the access log was opened again: for SIGUSR1, when another "
      "file or none was found at its path, and after a failure.",
      {}, &file_.metrics().reopens);
  registry->AddGauge("weir_access_log_up",
                     "1 while lines get into the access log; 0 while it cannot "
                     "be opened or written to, or a write hangs.",
                     {}, [this] { return up() ? 1.0 : 0.0; });
}

}  // namespace weir
