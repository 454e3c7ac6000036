#include "reactor/timer_wheel.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

#include "glog/logging.h"

namespace weir {

Timer::~Timer() {
  if (wheel_ != nullptr) wheel_->Cancel(this);
}

TimerWheel::TimerWheel(MonoTime now) : start_(now), now_(now) {
  // Else the ticks of the last deadlines would not fit.
  CHECK_GE(now.time_since_epoch().count(), 0);
}

TimerWheel::~TimerWheel() {
  for (Timer*& list : lists_) {
    while (list != nullptr) Cancel(list);
  }
}

void TimerWheel::Schedule(Timer* timer, MonoTime deadline) {
  Cancel(timer);
  if (deadline == kNever) return;
  timer->deadline_ = deadline;
  timer->wheel_ = this;
  timer->order_ = next_order_++;
  ++size_;
  // Compared exactly, not by ticks: what is due already must not wait for the
  // next tick.
  if (deadline <= now_) {
    Append(kOverdue, timer);
  } else {
    Place(timer);
  }
}

void TimerWheel::Cancel(Timer* timer) {
  if (timer->wheel_ == nullptr) return;
  CHECK(timer->wheel_ == this);
  Remove(timer);
  timer->wheel_ = nullptr;
  timer->deadline_ = kNever;
  --size_;
}

MonoTime TimerWheel::NextDue() const {
  if (lists_[kOverdue] != nullptr || lists_[kFiring] != nullptr) return now_;
  const Slot slot = FirstSlot();
  if (!slot.found) return kNever;
  // Rounding up may have left the range of MonoTime.
  constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
  const uint64_t nanos =
      static_cast<uint64_t>(start_.time_since_epoch().count()) +
      slot.begin * static_cast<uint64_t>(kTick.count());
  return MonoTime(Duration(static_cast<int64_t>(std::min(nanos, kMax))));
}

size_t TimerWheel::Advance(MonoTime now,
                           absl::FunctionRef<void()> before_each) {
  CHECK(!advancing_);
  advancing_ = true;
  now_ = std::max(now_, now);
  CollectDue(static_cast<uint64_t>((now_ - start_) / kTick));
  SortFiring();

  size_t fired = 0;
  while (Timer* const timer = lists_[kFiring]) {
    Cancel(timer);
    ++fired;
    before_each();
    timer->OnTimer();  // may destroy it
  }
  advancing_ = false;
  return fired;
}

uint64_t TimerWheel::TickOf(MonoTime deadline) const {
  const auto nanos = static_cast<uint64_t>((deadline - start_).count());
  constexpr auto kTickNanos = static_cast<uint64_t>(kTick.count());
  return nanos / kTickNanos + (nanos % kTickNanos != 0 ? 1 : 0);
}

void TimerWheel::Place(Timer* timer) {
  // They differ: rounded up, a deadline after now_ lies in a later tick.
  const uint64_t tick = TickOf(timer->deadline_);
  const auto highest_bit =
      static_cast<size_t>(std::bit_width(tick ^ current_)) - 1;
  const size_t level = highest_bit / kBits;
  const uint64_t slot = (tick >> (level * kBits)) % kSlots;
  occupied_[level] |= uint64_t{1} << slot;
  Append(static_cast<uint16_t>(level * kSlots + slot), timer);
}

void TimerWheel::Append(uint16_t list, Timer* timer) {
  timer->list_ = list;
  Timer*& first = lists_[list];
  if (first == nullptr) {
    first = timer->next_ = timer->previous_ = timer;
    return;
  }
  timer->next_ = first;
  timer->previous_ = first->previous_;
  first->previous_->next_ = timer;
  first->previous_ = timer;
}

void TimerWheel::Remove(Timer* timer) {
  const uint16_t list = timer->list_;
  if (timer->next_ == timer) {
    lists_[list] = nullptr;
    if (list < kOverdue) {
      occupied_[list / kSlots] &= ~(uint64_t{1} << (list % kSlots));
    }
  } else {
    timer->previous_->next_ = timer->next_;
    timer->next_->previous_ = timer->previous_;
    if (lists_[list] == timer) lists_[list] = timer->next_;
  }
  timer->next_ = timer->previous_ = nullptr;
}

TimerWheel::Slot TimerWheel::FirstSlot() const {
  for (size_t level = 0; level < kLevels; ++level) {
    if (occupied_[level] == 0) continue;
    const auto slot = static_cast<uint64_t>(std::countr_zero(occupied_[level]));
    const size_t shift = level * kBits;
    // The digits above this level are those of the current tick.
    const uint64_t turn = current_ >> (shift + kBits) << (shift + kBits);
    return {true, static_cast<uint16_t>(level * kSlots + slot),
            turn | slot << shift};
  }
  return {};
}

// Takes each slot that begins at or before `tick`: an idle hour costs no more
// than the slots that are occupied. What is due goes straight to the list of
// those that fire, whatever its level; what only came nearer is placed again.
void TimerWheel::CollectDue(uint64_t tick) {
  while (Timer* const timer = lists_[kOverdue]) {
    Remove(timer);
    Append(kFiring, timer);
  }
  // A chain through next_; on none of the lists while it is held.
  Timer* held = nullptr;
  for (Slot slot = FirstSlot(); slot.found && slot.begin <= tick;
       slot = FirstSlot()) {
    while (Timer* const timer = lists_[slot.list]) {
      Remove(timer);
      if (TickOf(timer->deadline_) <= tick) {
        Append(kFiring, timer);
      } else {
        timer->next_ = std::exchange(held, timer);
      }
    }
  }
  current_ = tick;
  while (held != nullptr) {
    Timer* const timer = std::exchange(held, held->next_);
    Place(timer);
  }
}

// Slots come in order, and a slot is mostly in order already; a merge sort of
// the list in place, for nothing may be allocated here.
void TimerWheel::SortFiring() {
  Timer* const first = lists_[kFiring];
  if (first == nullptr) return;
  const auto before = [](const Timer* a, const Timer* b) {
    return a->deadline_ != b->deadline_ ? a->deadline_ < b->deadline_
                                        : a->order_ < b->order_;
  };
  bool sorted = true;
  for (const Timer* t = first; sorted && t->next_ != first; t = t->next_) {
    sorted = before(t, t->next_);
  }
  if (sorted) return;

  const auto merge = [&before](Timer* a, Timer* b) {
    Timer* merged = nullptr;
    Timer** end = &merged;
    while (a != nullptr && b != nullptr) {
      Timer*& least = before(a, b) ? a : b;
      *end = least;
      end = &least->next_;
      least = least->next_;
    }
    *end = a != nullptr ? a : b;
    return merged;
  };

  // runs[i] is null or a sorted chain of 2^i timers.
  std::array<Timer*, 64> runs{};
  first->previous_->next_ = nullptr;
  for (Timer* rest = first; rest != nullptr;) {
    Timer* run = std::exchange(rest, rest->next_);
    run->next_ = nullptr;
    size_t i = 0;
    for (; runs[i] != nullptr; ++i) {
      run = merge(std::exchange(runs[i], nullptr), run);
    }
    runs[i] = run;
  }
  Timer* all = nullptr;
  for (Timer* run : runs) all = merge(run, all);

  lists_[kFiring] = nullptr;
  while (all != nullptr) {
    Timer* const timer = std::exchange(all, all->next_);
    Append(kFiring, timer);
  }
}

}  // namespace weir
