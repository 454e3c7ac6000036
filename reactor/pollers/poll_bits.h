// Internal. What pollers share: the bits of poll(2), what is armed, timeouts.

#ifndef REACTOR_POLLERS_POLL_BITS_H_
#define REACTOR_POLLERS_POLL_BITS_H_

#include <poll.h>
#include <time.h>

#include <algorithm>
#include <cstdint>

#include "reactor/clock.h"
#include "reactor/poller.h"

namespace weir {

inline Ready ReadyFromPoll(uint32_t bits) {
  uint32_t ready = 0;
  if ((bits & POLLIN) != 0) ready |= kReadable;
  if ((bits & POLLOUT) != 0) ready |= kWritable;
  if ((bits & POLLRDHUP) != 0) ready |= kEof;
  if ((bits & (POLLERR | POLLHUP)) != 0) ready |= kEnded;
  if ((bits & POLLPRI) != 0) ready |= kUrgent;
  return static_cast<Ready>(ready);
}

// What to ask for; ERR and HUP come unasked.
inline uint32_t PollBits(Interest interest) {
  uint32_t bits = 0;
  if ((interest & kRead) != 0) bits |= POLLIN | POLLRDHUP | POLLPRI;
  if ((interest & kWrite) != 0) bits |= POLLOUT;
  return bits;
}

// The directions that an event fires.
inline Interest FiredBy(Ready ready) {
  uint32_t fired = 0;
  if ((ready & (kReadable | kEof | kUrgent)) != 0) fired |= kRead;
  if ((ready & kWritable) != 0) fired |= kWrite;
  if ((ready & kEnded) != 0) fired |= kRead | kWrite | kHangup;
  return static_cast<Interest>(fired);
}

// Level-triggered: Arm() replaces what is armed, and events leave it armed.
inline bool IsLevel(FdKind kind) {
  return kind == FdKind::kLevel || kind == FdKind::kSharedListener;
}

// What is armed once Arm(interest) came to `armed`.
inline Interest ArmedWith(FdKind kind, Interest armed, Interest interest) {
  return IsLevel(kind) ? interest : static_cast<Interest>(armed | interest);
}

// A timeout for the calls that take a timespec; null means for ever.
class Timeout {
 public:
  explicit Timeout(Duration wait) : forever_(wait == kForever) {
    // At most 146 years: the kernel adds the time that it is.
    const int64_t ns = std::clamp<int64_t>(wait.count(), 0, int64_t{1} << 62);
    time_.tv_sec = ns / 1'000'000'000;
    time_.tv_nsec = ns % 1'000'000'000;
  }

  const timespec* get() const { return forever_ ? nullptr : &time_; }

 private:
  const bool forever_;
  timespec time_{};
};

}  // namespace weir

#endif  // REACTOR_POLLERS_POLL_BITS_H_
