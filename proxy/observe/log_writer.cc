#include "proxy/observe/log_writer.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "metrics/quiet_thread.h"
#include "proxy/observe/log_format.h"
#include "proxy/observe/log_ring.h"

namespace weir {
namespace {

constexpr std::string_view kCut = "...";
// A write of at most this many bytes into a pipe is not mixed with others'.
constexpr size_t kBatchBytes = PIPE_BUF;
// Time, escaped text, line end.
static_assert(13 + 4 * LogSink::kMaxText + 1 <= kBatchBytes);
// Of one ring before the next has its turn.
constexpr int kRecordsPerTurn = 64;

}  // namespace

struct LogSink::Channel {
  Channel(LogWriter::Shared* writer, size_t ring_bytes)
      : shared(writer), ring(ring_bytes), sink(this) {}

  LogWriter::Shared* const shared;
  LogRing ring;
  // Written by the producer.
  alignas(kCacheLine) Counter dropped;
  // Writer thread only: how many of `dropped` were told.
  alignas(kCacheLine) uint64_t told = 0;
  LogSink sink;
};

// What the writer thread uses: owned by it and by the LogWriter, whichever
// lives longer.
struct LogWriter::Shared {
  using Channel = LogSink::Channel;

  Shared(int log_fd, Clock* log_clock, LogLevel log_level)
      : fd(log_fd), clock(log_clock), level(log_level) {}
  ~Shared() {
    if (fd >= 0) close(fd);
  }

  void WriterMain();
  // Any thread.
  void Wake();

  // Constant. `clock` is for producers only.
  const int fd;
  Clock* const clock;

  // Any thread. Relaxed: a level a little late is of no harm.
  std::atomic<LogLevel> level;
  // Lines; written by the writer thread.
  std::atomic<uint64_t> unwritten{0};

  // 1 while the writer thread sleeps, or is about to. seq_cst with the rings'
  // tails and `stopping`: the sleeper stores this and then looks at those, who
  // wakes it stores those and then looks at this.
  std::atomic<int> sleeping{0};
  std::atomic<bool> stopping{false};
  // Nobody waits for the thread any more.
  std::atomic<bool> abandoned{false};

  std::mutex mutex;
  std::condition_variable ended_changed;
  bool ended = false;                              // under mutex
  std::vector<std::unique_ptr<Channel>> channels;  // under mutex; only grows
  // channels.size(), so that the writer takes the mutex only when it changed.
  std::atomic<size_t> channel_count{0};

 private:
  // Writer thread only.
  void Refresh();
  bool Idle() const;
  void Sleep();
  bool DrainTurn();
  void TellDropped(Channel* channel);
  void Append(const LogRecord& record);
  void Flush();
  bool WriteSome(std::string_view* text);
  bool WaitForRoom();

  std::vector<Channel*> known_;
  LogFormatter formatter_;
  LogRecord record_;
  std::string line_;
  std::string batch_;  // whole lines
};

void LogWriter::Shared::Wake() {
  if (sleeping.load(std::memory_order_seq_cst) == 1 &&
      sleeping.exchange(0, std::memory_order_seq_cst) == 1) {
    sleeping.notify_one();
  }
}

void LogWriter::Shared::Refresh() {
  if (channel_count.load(std::memory_order_seq_cst) == known_.size()) return;
  std::lock_guard<std::mutex> lock(mutex);
  known_.clear();
  for (const auto& channel : channels) known_.push_back(channel.get());
}

bool LogWriter::Shared::Idle() const {
  return channel_count.load(std::memory_order_seq_cst) == known_.size() &&
         std::all_of(known_.begin(), known_.end(),
                     [](Channel* channel) { return channel->ring.empty(); });
}

void LogWriter::Shared::Sleep() {
  sleeping.store(1, std::memory_order_seq_cst);
  if (!Idle() || stopping.load(std::memory_order_seq_cst)) {
    sleeping.store(0, std::memory_order_seq_cst);
    return;
  }
  sleeping.wait(1, std::memory_order_seq_cst);
}

// True when poll() may be followed by another write.
bool LogWriter::Shared::WaitForRoom() {
  // Bounded, for it is also how a thread that was left behind notices.
  constexpr int kLookMillis = 100;
  pollfd wanted{fd, POLLOUT, 0};
  const int ready = poll(&wanted, 1, kLookMillis);
  if (ready < 0 && errno != EINTR) return false;
  return !abandoned.load(std::memory_order_acquire);
}

// False when the output refuses.
bool LogWriter::Shared::WriteSome(std::string_view* text) {
  const ssize_t n = write(fd, text->data(), text->size());
  if (n >= 0) {
    text->remove_prefix(static_cast<size_t>(n));
    return true;
  }
  if (errno == EINTR) return true;
  // Whoever shares the output made it non-blocking.
  return errno == EAGAIN && WaitForRoom();
}

void LogWriter::Shared::Flush() {
  std::string_view rest = batch_;
  while (!rest.empty() && WriteSome(&rest)) {
  }
  const auto lost = std::count(rest.begin(), rest.end(), '\n');
  unwritten.fetch_add(static_cast<uint64_t>(lost), std::memory_order_relaxed);
  batch_.clear();
}

void LogWriter::Shared::Append(const LogRecord& record) {
  line_.clear();
  formatter_.Append(record, &line_);
  if (batch_.size() + line_.size() > kBatchBytes) Flush();
  batch_ += line_;
}

void LogWriter::Shared::TellDropped(Channel* channel) {
  const uint64_t dropped = channel->dropped.Value();
  if (dropped == channel->told) return;
  // The time of the last line stays: the gap lies behind it.
  record_.text = absl::StrCat(dropped - channel->told,
                              " log lines dropped: the output is too slow");
  channel->told = dropped;
  Append(record_);
}

// True when something was written.
bool LogWriter::Shared::DrainTurn() {
  bool progress = false;
  for (Channel* channel : known_) {
    bool popped = false;
    for (int i = 0; i < kRecordsPerTurn && channel->ring.Pop(&record_); ++i) {
      Append(record_);
      popped = true;
    }
    if (popped) TellDropped(channel);
    Flush();
    progress |= popped;
    if (abandoned.load(std::memory_order_acquire)) return false;
  }
  return progress;
}

void LogWriter::Shared::WriterMain() {
  while (!abandoned.load(std::memory_order_acquire)) {
    // Before the look at the rings: what was pushed before the stop is written.
    const bool stop = stopping.load(std::memory_order_seq_cst);
    Refresh();
    if (DrainTurn()) continue;
    if (stop) {
      for (Channel* channel : known_) TellDropped(channel);
      Flush();
      break;
    }
    Sleep();
  }
  std::lock_guard<std::mutex> lock(mutex);
  ended = true;
  ended_changed.notify_all();
}

// --- LogSink ---

bool LogSink::Wants(LogLevel level) const {
  return level <= channel_->shared->level.load(std::memory_order_relaxed);
}

void LogSink::Line(LogLevel level, std::string_view text) {
  if (Wants(level)) Push(channel_->shared->clock->WallNanos(), text);
}

void LogSink::Plain(LogLevel level, std::string_view text) {
  if (Wants(level)) Push(LogRecord::kNoTime, text);
}

void LogSink::Push(int64_t wall_nanos, std::string_view text) {
  std::array<char, kMaxText> cut;
  if (text.size() > kMaxText) {
    const size_t kept = kMaxText - kCut.size();
    std::memcpy(cut.data(), text.data(), kept);
    std::memcpy(cut.data() + kept, kCut.data(), kCut.size());
    text = {cut.data(), cut.size()};
  }
  if (channel_->shared->fd >= 0 && channel_->ring.Push(wall_nanos, text)) {
    channel_->shared->Wake();
  } else {
    channel_->dropped.Add();
  }
}

const Counter& LogSink::dropped() const { return channel_->dropped; }

// --- LogWriter ---

LogWriter::LogWriter(Options options)
    : shared_(std::make_shared<Shared>(fcntl(options.fd, F_DUPFD_CLOEXEC, 0),
                                       options.clock, options.level)),
      ring_bytes_(options.ring_bytes),
      exit_wait_(options.exit_wait) {
  if (shared_->fd < 0) return;
  absl::StatusOr<std::thread> thread =
      StartQuietThread("log", [shared = shared_] { shared->WriterMain(); });
  // Without it the rings fill up and drop; weir itself needs no log.
  if (thread.ok()) thread_ = *std::move(thread);
}

LogWriter::~LogWriter() {
  if (!thread_.joinable()) return;
  shared_->stopping.store(true, std::memory_order_seq_cst);
  shared_->Wake();
  std::unique_lock<std::mutex> lock(shared_->mutex);
  const bool ended = shared_->ended_changed.wait_for(
      lock, exit_wait_, [this] { return shared_->ended; });
  lock.unlock();
  if (ended) {
    thread_.join();
  } else {
    shared_->abandoned.store(true, std::memory_order_release);
    thread_.detach();
  }
}

LogSink* LogWriter::NewSink() {
  auto channel = std::make_unique<LogSink::Channel>(shared_.get(), ring_bytes_);
  LogSink* sink = &channel->sink;
  std::lock_guard<std::mutex> lock(shared_->mutex);
  shared_->channels.push_back(std::move(channel));
  shared_->channel_count.store(shared_->channels.size(),
                               std::memory_order_seq_cst);
  return sink;
}

void LogWriter::SetLevel(LogLevel level) {
  shared_->level.store(level, std::memory_order_relaxed);
}

uint64_t LogWriter::unwritten() const {
  return shared_->unwritten.load(std::memory_order_relaxed);
}

}  // namespace weir
