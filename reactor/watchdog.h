// Public. Looks from outside whether loops turn, and where those are that do
// not.

#ifndef REACTOR_WATCHDOG_H_
#define REACTOR_WATCHDOG_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "metrics/instrument.h"
#include "metrics/registry.h"
#include "reactor/clock.h"
#include "reactor/loop_monitor.h"
#include "reactor/pause_log.h"
#include "reactor/stall.h"

namespace weir {

// A thread that wakes less than ten times a second while no loop is busy, and
// whenever a busy one is about to have been so for too long. Made, started and
// stopped by one thread.
class Watchdog {
 public:
  // An iteration that runs for this long is `slow`, and `stuck` for that.
  static constexpr Duration kSlow = std::chrono::milliseconds(50);
  static constexpr Duration kStuck = std::chrono::seconds(5);
  // How long it sleeps at most.
  static constexpr Duration kLongestSleep = std::chrono::milliseconds(110);
  // How long a thread that it asked may take to leave its stack. (One that has
  // no processor, or sleeps where signals do not reach, does not.)
  static constexpr Duration kStackWait = std::chrono::milliseconds(50);

  struct Loop {
    std::string name;
    LoopMonitor* monitor = nullptr;  // outlives the watchdog
  };

  // What is told of a loop that is slow, and again when it is stuck.
  struct Report {
    std::string loop;
    LoopActivity activity;
    uint64_t unreported = 0;  // of this loop, since the last report
  };

  struct Options {
    std::vector<Loop> loops;
    PauseLog* pauses = nullptr;  // outlives the watchdog, which writes it
    // At most five a minute a loop. Called on the watchdog's thread.
    std::function<void(const Report&)> report;
    Clock* clock = &Clock::Real();
  };

  explicit Watchdog(Options options);
  // Stops.
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // Starts the thread (all signals blocked).
  absl::Status Start();
  void Stop();

  // Adds <prefix>reactor_watchdog_misses_total and <prefix>process_pause*.
  void Register(const std::string& prefix, Registry* registry) const;

  // One look, at the clock's time; returns when the next one is due. What the
  // thread does, for tests without it.
  MonoTime Look();

 private:
  enum class Severity : uint8_t { kFine, kSlow, kStuck };

  struct Watched {
    Loop loop;
    Counter slow;
    Counter stuck;
    // Of the iteration that is watched; `asked` is what it did when it was last
    // asked for its stack.
    Severity severity = Severity::kFine;
    LoopActivity asked;
    // The report waits for the stack until then.
    MonoTime report_at = kNever;
    // Within the minute that began then.
    MonoTime minute = kNever;
    int reports = 0;
    uint64_t unreported = 0;
  };

  void Run();
  // Returns when this loop wants the next look.
  MonoTime LookAt(Watched& watched, MonoTime now);
  void ReportOn(Watched& watched, const LoopActivity& activity, MonoTime now);

  const Options options_;
  // The watchdog's thread, or whoever calls Look().
  std::vector<std::unique_ptr<Watched>> loops_;

  std::mutex mutex_;
  std::condition_variable stop_changed_;
  bool stop_ = false;  // under mutex_
  std::thread thread_;
};

}  // namespace weir

#endif  // REACTOR_WATCHDOG_H_
