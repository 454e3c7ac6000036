// Public. Where a thread is.

#ifndef REACTOR_STACK_TRACE_H_
#define REACTOR_STACK_TRACE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace weir {

inline constexpr size_t kMaxFrames = 32;

// The first is the place that was interrupted, the others are return addresses.
struct StackTrace {
  std::array<uintptr_t, kMaxFrames> frames{};
  size_t size = 0;

  bool empty() const { return size == 0; }
};

// Loads what CaptureStack() needs. Once, before any.
void PrimeStackTraces();

// For a signal handler that runs on the thread in question, whose third
// argument is `context`: the frames from the interrupted function on.
// Async-signal-safe (backtrace(3): once its library is loaded, it allocates
// nothing; the unwind tables are found without a lock from glibc 2.35 on).
StackTrace CaptureStack(const void* context);

// A line a frame: the function's name without its arguments, or file and offset
// where no symbol table (.symtab) knows it. What libraries
// put between two functions of ours (std::, absl::) is left out. Any thread;
// reads the program's file.
std::vector<std::string> Symbolize(const StackTrace& stack);

}  // namespace weir

#endif  // REACTOR_STACK_TRACE_H_
