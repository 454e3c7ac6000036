// Public. Hierarchical timing wheels (Varghese & Lauck, scheme 7): start and
// cancel are O(1), nothing is allocated, and a timer never fires early.

#ifndef REACTOR_TIMER_WHEEL_H_
#define REACTOR_TIMER_WHEEL_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "reactor/clock.h"

namespace weir {

class TimerWheel;

// One deadline, embedded in its owner. Loop thread only. Its destructor cancels
// it.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  bool scheduled() const { return wheel_ != nullptr; }
  // kNever while not scheduled.
  MonoTime deadline() const { return deadline_; }

 protected:
  virtual ~Timer();
  // The deadline has passed. The timer is no longer scheduled and may be
  // scheduled again, or destroyed, from here.
  virtual void OnTimer() noexcept = 0;

 private:
  friend class TimerWheel;

  MonoTime deadline_ = kNever;
  TimerWheel* wheel_ = nullptr;
  // A ring with the other timers of the same list.
  Timer* next_ = nullptr;
  Timer* previous_ = nullptr;
  uint64_t order_ = 0;  // ties fire in the order of Schedule()
  uint16_t list_ = 0;   // the index of that list in TimerWheel::lists_
};

// Sessions embed several.
static_assert(sizeof(Timer) <= 64);

// Loop thread only. Told the time; reads no clock.
class TimerWheel {
 public:
  // Deadlines are rounded up to this, counted from the wheel's construction.
  static constexpr Duration kTick = std::chrono::milliseconds(1);

  explicit TimerWheel(MonoTime now);
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;
  ~TimerWheel();  // cancels what is left

  // (Re)schedules: a scheduled timer is moved, and is then the youngest of its
  // ties. kNever cancels. A deadline in the past fires at the next Advance().
  void Schedule(Timer* timer, MonoTime deadline);
  // Nothing when it is not scheduled.
  void Cancel(Timer* timer);

  // The time at which Advance() must be called next: never later than one tick
  // after the earliest deadline, possibly earlier (a cascade); kNever without
  // timers.
  MonoTime NextDue() const;

  // Fires each timer whose (rounded up) deadline is at or before `now`, by
  // deadline, ties in the order in which they were scheduled. What is due is
  // collected before any callback runs: a timer scheduled from a callback waits
  // for the next call, and one cancelled from a callback does not fire. Returns
  // how many fired. A `now` before that of an earlier call counts as that one.
  // Not to be called from a callback. `before_each` runs before each callback.
  size_t Advance(
      MonoTime now, absl::FunctionRef<void()> before_each = [] {});

  // How many timers are scheduled.
  size_t size() const { return size_; }

 private:
  // Eight wheels of 64 slots. A slot of level L spans 64^L ticks. A timer lies
  // at the level of the highest digit (to the base of 64) in which its tick
  // differs from the current one, in the slot which that digit names. So all
  // that lies at one level is due before anything at the next, no slot mixes
  // two turns of its wheel, and 48 bits of milliseconds reach beyond the last
  // MonoTime: no deadline is out of range.
  static constexpr size_t kLevels = 8;
  static constexpr size_t kBits = 6;
  static constexpr uint64_t kSlots = uint64_t{1} << kBits;
  // Two more lists: deadlines that had passed when they were scheduled, and
  // what the running Advance() has collected and not fired yet.
  static constexpr uint16_t kOverdue = kLevels * kSlots;
  static constexpr uint16_t kFiring = kOverdue + 1;

  // The first occupied slot.
  struct Slot {
    bool found = false;
    uint16_t list = 0;
    uint64_t begin = 0;  // its first tick
  };

  uint64_t TickOf(MonoTime deadline) const;  // rounded up
  void Place(Timer* timer);                  // its tick is a later one
  void Append(uint16_t list, Timer* timer);
  void Remove(Timer* timer);
  Slot FirstSlot() const;
  void CollectDue(uint64_t tick);
  void SortFiring();

  const MonoTime start_;
  MonoTime now_;          // as last told
  uint64_t current_ = 0;  // the tick that now_ lies in; all before have fired
  uint64_t next_order_ = 0;
  size_t size_ = 0;
  bool advancing_ = false;
  std::array<uint64_t, kLevels> occupied_{};  // a bit for each slot
  // The oldest of each list, or null.
  std::array<Timer*, kFiring + 1> lists_{};
};

}  // namespace weir

#endif  // REACTOR_TIMER_WHEEL_H_
