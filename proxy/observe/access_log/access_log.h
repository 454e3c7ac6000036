// Public. The access log: from the rings of the loops to the file.

#ifndef PROXY_OBSERVE_ACCESS_LOG_ACCESS_LOG_H_
#define PROXY_OBSERVE_ACCESS_LOG_ACCESS_LOG_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "metrics/instrument.h"
#include "metrics/registry.h"
#include "proxy/observe/access_log/access_log_status.h"
#include "proxy/observe/access_log/access_sink.h"
#include "proxy/observe/access_log/log_file.h"
#include "proxy/observe/log_writer.h"
#include "reactor/async_file/aio_queue.h"
#include "reactor/clock.h"
#include "reactor/reactor.h"
#include "reactor/timer_wheel.h"

namespace weir {

// Control loop only, but for the sinks and the last group. Owns the rings, and
// writes what they hold in batches, one at a time. While the file takes none,
// lines wait in the rings, and what finds no room there is dropped.
class AccessLog final : private Timer {
 public:
  // A batch at most.
  static constexpr size_t kBatch = 256 * 1024;
  // Between writes, unless a batch was full.
  static constexpr Duration kDelay = std::chrono::milliseconds(50);
  // A write that takes longer is said to hang.
  static constexpr Duration kHang = std::chrono::seconds(1);

  struct Options {
    Reactor* reactor = nullptr;  // outlives this, as the queue does
    AioQueue* queue = nullptr;
    std::string path;
    size_t loops = 1;
    AccessSink::Options sink;  // of each; `wake` is set here
    // What people should read, now and then; but how the first attempt to open
    // the file ends, trouble() tells. Must not destroy this.
    std::function<void(LogLevel, std::string_view)> say;
  };

  // Begins to open the file.
  explicit AccessLog(Options options);
  // The producers have ended. What lies in the rings is lost.
  ~AccessLog() override = default;

  // Of loop i; valid as long as this.
  AccessSink* sink(size_t i) { return sinks_[i].get(); }

  // Whether it is still unknown if the file can be opened; and why lines do not
  // get into it.
  bool opening() const { return file_.state() == LogFile::State::kOpening; }
  const absl::Status& trouble() const { return file_.trouble(); }

  // For SIGUSR1.
  void Reopen();

  // The exit. Producers have ended, or are given up: from now on nothing waits
  // for more lines, and a file that fails is tried once more.
  void BeginFlush();
  // All is written, or the file has failed since.
  bool flushed() const;
  // What is not written counts as dropped. Nothing is written from now on.
  void EndFlush();

  // --- Any thread -----------------------------------------------------------

  AccessLogStatus status() const;
  // Names what is counted here. This outlives the registry's last scrape.
  void Register(Registry* registry) const;

 private:
  void OnTimer() noexcept override { Pump(); }
  void OnChanged();
  // Writes a batch, or sleeps, unless the file is busy or a delay runs.
  void Pump();
  bool Empty() const;
  void Sleep();
  void SetState();
  void SetWriting();
  void TellTrouble();
  bool up() const;
  uint64_t Dropped() const;

  const Options options_;
  std::vector<std::unique_ptr<AccessSink>> sinks_;
  size_t next_ = 0;     // the sink that the next batch begins with
  bool wrote_ = false;  // a batch was given to the file
  bool full_ = false;   // and there was more
  bool tried_ = false;  // the file was opened, or could not be
  bool failing_ = false;
  uint64_t dropped_before_ = 0;  // when it began to fail
  bool flushing_ = false;
  bool flush_failed_ = false;

  Counter exit_dropped_;
  // Written by the loop: trouble() is ok, and since when a batch is on its way
  // (nanoseconds of the loop's clock; 0: none is).
  Gauge open_;
  Gauge writing_since_;
  mutable std::mutex mutex_;
  std::string reason_;  // of a failure; under mutex_

  // Of tasks that may run when this is gone.
  const std::shared_ptr<AccessLog*> self_ = std::make_shared<AccessLog*>(this);
  // Last: it calls this.
  LogFile file_;
};

}  // namespace weir

#endif  // PROXY_OBSERVE_ACCESS_LOG_ACCESS_LOG_H_
