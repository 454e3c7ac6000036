// Public. When the whole process stood still: SIGSTOP, a freezer, a stopped
// machine.

#ifndef REACTOR_PAUSE_LOG_H_
#define REACTOR_PAUSE_LOG_H_

#include <atomic>
#include <cstdint>

#include "metrics/instrument.h"
#include "metrics/seq_cell.h"
#include "reactor/clock.h"

namespace weir {

// A thread that sleeps until a time of its own choice, and wakes much later,
// did not get to run, nor did any other: that thread writes, any thread reads.
class PauseLog {
 public:
  // What a sleep may overshoot.
  static constexpr Duration kShortest = std::chrono::milliseconds(50);

  // The writer is about to sleep until `due`; kNever: it looks no more.
  void Sleep(MonoTime due) { due_.store(due, std::memory_order_relaxed); }
  // It woke. Returns whether this was a pause.
  bool Wake(MonoTime now);

  // Whether the process stood at any time from `begin` to `now`. Also when the
  // writer has not had its turn since: whoever wakes first must see it.
  bool Stood(MonoTime begin, MonoTime now) const {
    const Pause last = last_.Load();
    if (last.begin < now && last.end > begin) return true;
    const MonoTime due = due_.load(std::memory_order_relaxed);
    return due != kNever && now - due >= kShortest;
  }

  uint64_t pauses() const { return pauses_.Value(); }
  Duration total() const {
    return Duration(static_cast<int64_t>(total_ns_.Value()));
  }

 private:
  struct Pause {
    MonoTime begin;
    MonoTime end;
  };

  std::atomic<MonoTime> due_{kNever};
  SeqCell<Pause> last_;
  Counter pauses_;
  Counter total_ns_;
};

inline bool PauseLog::Wake(MonoTime now) {
  const MonoTime due = due_.exchange(kNever, std::memory_order_relaxed);
  if (due == kNever || now - due < kShortest) return false;
  last_.Store({due, now});
  pauses_.Add();
  total_ns_.Add(static_cast<uint64_t>((now - due).count()));
  return true;
}

}  // namespace weir

#endif  // REACTOR_PAUSE_LOG_H_
