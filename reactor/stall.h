// Public. What is known of a time in which a loop did not look.

#ifndef REACTOR_STALL_H_
#define REACTOR_STALL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "reactor/callback_kind.h"
#include "reactor/clock.h"
#include "reactor/stack_trace.h"

namespace weir {

// Why: a closed set, the label `cause`.
enum class StallCause : uint8_t {
  kCpu,        // it computed
  kBlocked,    // it slept in a system call or a page fault
  kPreempted,  // it could run, and something else had its processor
  kPaused,     // the whole process stood: SIGSTOP, a freezer, the machine
};
inline constexpr std::array<std::string_view, 4> kStallCauseNames = {
    "cpu", "blocked", "preempted", "paused"};

constexpr std::string_view StallCauseName(StallCause cause) {
  return kStallCauseNames[static_cast<size_t>(cause)];
}

// The value of the label `kind` for an iteration that was too long although
// none of its callbacks was.
inline constexpr std::string_view kIterationName = "iteration";

// A callback or, where `kind` is nothing, an iteration that took at least the
// threshold.
struct Stall {
  uint64_t number = 0;  // of this loop, from 1
  MonoTime begin;
  Duration duration{};
  std::optional<CallbackKind> kind;
  Subject subject;
  StallCause cause = StallCause::kCpu;
  // Of the loop's thread since it was sampled last: at most 5 ms of busy time
  // and 100 ms in all before the stall, and the stall.
  Duration cpu{};
  Duration run_delay{};
  // Empty when it was over before the watchdog looked.
  StackTrace stack;
};

// What a loop does at this moment.
struct LoopActivity {
  enum class Phase : uint8_t { kStopped, kPolling, kBusy };

  Phase phase = Phase::kStopped;
  // Of the iteration; meaningful while busy, else zero.
  MonoTime since;
  Duration age{};
  // Of the callback that runs. Meaningful while busy.
  MonoTime callback;  // when it began
  CallbackKind kind = CallbackKind::kTask;
  Subject subject;
  Duration running{};  // for how long
  // Once the iteration takes as long as a stall.
  std::optional<StallCause> cause;
  // Of this callback, once the watchdog has asked for it.
  StackTrace stack;
  uint64_t stacks = 0;  // how many the loop has left so far
};

}  // namespace weir

#endif  // REACTOR_STALL_H_
