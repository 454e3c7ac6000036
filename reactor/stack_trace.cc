#include "reactor/stack_trace.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/debugging/symbolize.h"
#include "absl/strings/str_cat.h"

namespace weir {
namespace {

uintptr_t InterruptedAt(const void* context) {
  const auto* const machine = static_cast<const ucontext_t*>(context);
#if defined(__x86_64__)
  return static_cast<uintptr_t>(machine->uc_mcontext.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return static_cast<uintptr_t>(machine->uc_mcontext.pc);
#else
#error "where does this machine keep its program counter?"
#endif
}

// "weir::Session::Relay()" of "weir::(anonymous namespace)::F(int) [clone .x]":
// what a person looks for, without arguments, of which a demangler in a hurry
// knows only "()".
std::string Shown(std::string name) {
  if (const size_t clone = name.find(" ["); clone != name.npos) {
    name.resize(clone);
  }
  return name;
}

// "libc.so.6+0x891f5" of a library without symbols, else "0x891f5".
std::string Place(uintptr_t address) {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(address), &info) == 0 ||
      info.dli_fname == nullptr) {
    return absl::StrCat("0x", absl::Hex(address));
  }
  const std::string_view path = info.dli_fname;
  const std::string_view file = path.substr(path.rfind('/') + 1);
  return absl::StrCat(
      absl::string_view(file.data(), file.size()), "+0x",
      absl::Hex(address - reinterpret_cast<uintptr_t>(info.dli_fbase)));
}

bool IsPlumbing(std::string_view name) {
  return name.starts_with("std::") || name.starts_with("absl::");
}

}  // namespace

void PrimeStackTraces() {
  std::array<void*, 1> frame;
  backtrace(frame.data(), static_cast<int>(frame.size()));
}

StackTrace CaptureStack(const void* context) {
  // The handler's own frames come first.
  constexpr size_t kOwn = 8;
  std::array<void*, kMaxFrames + kOwn> found;
  const int size = backtrace(found.data(), static_cast<int>(found.size()));
  const uintptr_t interrupted = InterruptedAt(context);
  auto* const end = found.data() + size;
  auto* from =
      std::find(found.data(), end, reinterpret_cast<void*>(interrupted));
  StackTrace trace;
  if (from == end) {
    // Unwinding did not get that far, or the handler runs later than the signal
    // came (thread sanitizer): then whatever was found.
    trace.frames[trace.size++] = interrupted;
    from = found.data();
  }
  while (from != end && trace.size < kMaxFrames) {
    trace.frames[trace.size++] = reinterpret_cast<uintptr_t>(*from++);
  }
  return trace;
}

std::vector<std::string> Symbolize(const StackTrace& stack) {
  std::vector<std::string> names;
  for (size_t i = 0; i < stack.size; ++i) {
    // A return address may be the first of the next function.
    const uintptr_t address = i == 0 ? stack.frames[i] : stack.frames[i] - 1;
    std::array<char, 512> name;
    if (!absl::Symbolize(reinterpret_cast<const void*>(address), name.data(),
                         static_cast<int>(name.size()))) {
      names.push_back(Place(stack.frames[i]));
    } else if (i == 0 || !IsPlumbing(name.data())) {
      names.push_back(Shown(name.data()));
    }
  }
  return names;
}

}  // namespace weir
