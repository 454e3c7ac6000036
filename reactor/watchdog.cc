#include "reactor/watchdog.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "metrics/quiet_thread.h"

namespace weir {
namespace {

constexpr Duration kMinute = std::chrono::minutes(1);
constexpr int kReportsAMinute = 5;
// How often it looks for a stack that it asked for.
constexpr Duration kStackLook = std::chrono::milliseconds(2);

}  // namespace

Watchdog::Watchdog(Options options) : options_(std::move(options)) {
  for (const Loop& loop : options_.loops) {
    loops_.push_back(std::make_unique<Watched>());
    loops_.back()->loop = loop;
  }
}

Watchdog::~Watchdog() { Stop(); }

absl::Status Watchdog::Start() {
  LoopMonitor::EnableStacks();
  absl::StatusOr<std::thread> thread =
      StartQuietThread("watchdog", [this] { Run(); });
  if (!thread.ok()) return thread.status();
  thread_ = *std::move(thread);
  return absl::OkStatus();
}

void Watchdog::Stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  stop_changed_.notify_all();
  thread_.join();
}

void Watchdog::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stop_) {
    lock.unlock();
    const MonoTime due = Look();
    lock.lock();
    stop_changed_.wait_until(lock, due, [this] { return stop_; });
  }
  options_.pauses->Sleep(kNever);
}

MonoTime Watchdog::Look() {
  const MonoTime now = options_.clock->Now();
  options_.pauses->Wake(now);
  MonoTime next = now + kLongestSleep;
  for (const auto& watched : loops_) {
    next = std::min(next, LookAt(*watched, now));
  }
  // What a report took is no pause.
  next = std::max(next, options_.clock->Now());
  options_.pauses->Sleep(next);
  return next;
}

MonoTime Watchdog::LookAt(Watched& watched, MonoTime now) {
  const LoopActivity activity = watched.loop.monitor->Activity(*options_.clock);
  const bool busy = activity.phase == LoopActivity::Phase::kBusy;
  if (!busy || activity.since != watched.asked.since) {
    // What it was asked about is over.
    if (watched.report_at != kNever) ReportOn(watched, watched.asked, now);
    watched.report_at = kNever;
    watched.severity = Severity::kFine;
    watched.asked = activity;
  }
  if (!busy) return kNever;
  if (activity.age < kSlow) return activity.since + kSlow;
  const Severity severity =
      activity.age < kStuck ? Severity::kSlow : Severity::kStuck;
  if (severity > watched.severity) {
    if (watched.severity == Severity::kFine) watched.slow.Add();
    if (severity == Severity::kStuck) watched.stuck.Add();
    watched.severity = severity;
    watched.asked = activity;
    watched.report_at = now + kStackWait;
    watched.loop.monitor->RequestStack();
    return now + kStackLook;
  }
  if (watched.report_at != kNever) {
    const bool same = activity.callback == watched.asked.callback;
    const bool came = activity.stacks != watched.asked.stacks;
    if (same && !came && now < watched.report_at) return now + kStackLook;
    watched.report_at = kNever;
    ReportOn(watched, same ? activity : watched.asked, now);
  }
  return severity == Severity::kStuck ? kNever : activity.since + kStuck;
}

void Watchdog::ReportOn(Watched& watched, const LoopActivity& activity,
                        MonoTime now) {
  if (watched.minute == kNever || now - watched.minute >= kMinute) {
    watched.minute = now;
    watched.reports = 0;
  }
  if (watched.reports == kReportsAMinute) {
    ++watched.unreported;
    return;
  }
  ++watched.reports;
  if (options_.report) {
    options_.report(
        {watched.loop.name, activity, std::exchange(watched.unreported, 0)});
  }
}

void Watchdog::Register(const std::string& prefix, Registry* registry) const {
  for (const auto& watched : loops_) {
    for (const auto& [severity, counter] :
         {std::pair{"slow", &watched->slow}, {"stuck", &watched->stuck}}) {
      registry->AddCounter(
          prefix + "reactor_watchdog_misses_total",
          "Iterations that were seen to run for 50 ms (slow) and for 5 s "
          "(stuck).",
          {{"reactor", watched->loop.name}, {"severity", severity}}, counter);
    }
  }
  const PauseLog* const pauses = options_.pauses;
  registry->AddCounter(
      prefix + "process_pauses_total",
      "Times that the whole process stood: stopped, frozen, or without a "
      "processor for 50 ms.",
      {}, [pauses] { return static_cast<double>(pauses->pauses()); });
  registry->AddCounter(
      prefix + "process_pause_seconds_total",
      "For how long the whole process stood.", {}, [pauses] {
        return std::chrono::duration<double>(pauses->total()).count();
      });
}

}  // namespace weir
