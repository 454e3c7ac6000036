// Public. What a loop is doing, and for whom.

#ifndef REACTOR_CALLBACK_KIND_H_
#define REACTOR_CALLBACK_KIND_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir {

// A closed set: the label `kind`.
enum class CallbackKind : uint8_t {
  kAccept,
  kHandoff,  // takes up a connection that another loop accepted
  kConnect,
  kPreface,
  kRelay,  // copies bytes
  kSplice,
  kClose,
  kTimer,
  kTask,
  kDns,
  kSignal,
  kFile,
};
inline constexpr std::array<std::string_view, 12> kCallbackKindNames = {
    "accept", "handoff", "connect", "preface", "relay",  "splice",
    "close",  "timer",   "task",    "dns",     "signal", "file"};
inline constexpr size_t kCallbackKinds = kCallbackKindNames.size();

constexpr std::string_view CallbackKindName(CallbackKind kind) {
  return kCallbackKindNames[static_cast<size_t>(kind)];
}

// Whom a callback works for, in numbers that mean something to the program
// around the loop.
struct Subject {
  static constexpr uint32_t kNoForward = UINT32_MAX;

  uint32_t forward = kNoForward;
  uint64_t connection = 0;  // 0: none
};

}  // namespace weir

#endif  // REACTOR_CALLBACK_KIND_H_
