#include "reactor/loop_monitor.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace weir {
namespace {

constexpr int kStackSignal = SIGURG;

// Whose loop this thread runs; null elsewhere. A static program's own
// thread-local variables may be read in a signal handler.
thread_local LoopMonitor* monitor_of_thread = nullptr;

}  // namespace

void LoopMonitor::Started(std::unique_ptr<ThreadUsage> usage) {
  sampler_.Start(std::move(usage));
  monitor_of_thread = this;
  thread_.store(::gettid(), std::memory_order_release);
}

void LoopMonitor::Finished(Clock& clock) {
  thread_.store(0, std::memory_order_relaxed);
  monitor_of_thread = nullptr;
  const MonoTime now = ToTime(lag_.Finish([&] { return Nanos(clock); }));
  if (in_iteration_) EndIteration(now);
}

void LoopMonitor::AddStall(MonoTime begin, MonoTime now, bool whole_iteration) {
  const UsageSince usage = sampler_.Take(BusyUntil(now), now);
  Stall stall;
  stall.begin = begin;
  stall.duration = now - begin;
  if (!whole_iteration) {
    stall.kind = kind_.load(std::memory_order_relaxed);
    stall.subject = {forward_.load(std::memory_order_relaxed),
                     connection_.load(std::memory_order_relaxed)};
  }
  stall.cause = CauseOf(usage, begin, now);
  stall.cpu = usage.used.cpu;
  stall.run_delay = usage.used.run_delay;
  const StackOf taken = stack_.Load();
  if (ToTime(taken.callback) >= begin) stall.stack = taken.stack;
  stalls_.Add(stall);
}

StallCause LoopMonitor::CauseOf(const UsageSince& usage, MonoTime begin,
                                MonoTime now) const {
  if (options_.pauses != nullptr && options_.pauses->Stood(begin, now)) {
    return StallCause::kPaused;
  }
  return usage.Cause();
}

LoopActivity LoopMonitor::Activity(Clock& clock) const {
  LoopActivity activity;
  const LagHistogram::Snapshot lag = Read(clock);
  switch (lag.phase) {
    case LagHistogram::Phase::kOff:
      return activity;
    case LagHistogram::Phase::kWaiting:
      activity.phase = LoopActivity::Phase::kPolling;
      return activity;
    case LagHistogram::Phase::kBusy:
      break;
  }
  activity.phase = LoopActivity::Phase::kBusy;
  activity.age = Duration(static_cast<int64_t>(lag.age_ns));
  activity.since = ToTime(lag.since_ns);
  activity.running = activity.age;
  int64_t since = callback_since_.load(std::memory_order_relaxed);
  activity.kind = kind_.load(std::memory_order_relaxed);
  activity.subject = {forward_.load(std::memory_order_relaxed),
                      connection_.load(std::memory_order_relaxed)};
  const MonoTime now = activity.since + activity.age;
  if (since >= lag.since_ns) {
    // It may have begun after `lag` was read.
    activity.running = std::max(now - ToTime(since), Duration::zero());
  } else {  // none of this iteration has begun
    activity.kind = CallbackKind::kTask;
    activity.subject = {};
    since = lag.since_ns;
  }
  if (activity.age >= options_.stall_threshold) {
    const auto busy = Duration(static_cast<int64_t>(lag.busy_ns));
    activity.cause = CauseOf(sampler_.Since(busy), ToTime(since), now);
  }
  activity.callback = ToTime(since);
  const StackOf taken = stack_.Load();
  activity.stacks = taken.number;
  if (taken.callback >= since) activity.stack = taken.stack;
  return activity;
}

void LoopMonitor::EnableStacks() {
  PrimeStackTraces();
  struct sigaction action {};
  action.sa_sigaction = [](int, siginfo_t*, void* context) {
    const int error = errno;
    if (monitor_of_thread != nullptr) monitor_of_thread->LeaveStack(context);
    errno = error;
  };
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigaction(kStackSignal, &action, nullptr);
}

void LoopMonitor::RequestStack() const {
  const pid_t thread = thread_.load(std::memory_order_acquire);
  // ESRCH: it has just ended.
  if (thread != 0) ::tgkill(::getpid(), thread, kStackSignal);
}

void LoopMonitor::LeaveStack(const void* context) {
  stack_.Store({callback_since_.load(std::memory_order_relaxed),
                stack_.Load().number + 1, CaptureStack(context)});
}

}  // namespace weir
