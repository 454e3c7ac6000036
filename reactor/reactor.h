// Public. One loop: it waits, looks what happened, and does a small amount of
// work. It holds a poller, timers and a mailbox and does none of their work.
//
// The order of a round, tested in reactor_test.cc:
//   1. wait: for ever when nothing is due, not at all when work is queued, else
//      until the next timer;
//   2. look at each event (at most Poller::kMaxEvents) and call its handler;
//   3. fire due timers;
//   4. run at most kRunnablesPerRound Runnables (bytes that wait for their next
//      turn) of those that were queued before this step, then at most
//      kTasksPerRound of the tasks that were posted when the wait returned;
//      what is left stays ahead of what is queued later;
//   5. free what was retired in this round.
// What a turn or a task queues runs in a later round, after a look at the
// kernel, so no chain of work starves an event. One time is read a wait: Now()
// is constant from the return of the wait to the next.

#ifndef REACTOR_REACTOR_H_
#define REACTOR_REACTOR_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "metrics/instrument.h"
#include "reactor/callback_kind.h"
#include "reactor/clock.h"
#include "reactor/fd.h"
#include "reactor/intrusive_list.h"
#include "reactor/kernel.h"
#include "reactor/loop_monitor.h"
#include "reactor/loop_thread.h"
#include "reactor/mailbox.h"
#include "reactor/poller.h"
#include "reactor/timer_wheel.h"

namespace weir {

// Whom the loop tells of events on one descriptor. Called on the loop thread.
class EventHandler {
 public:
  virtual void OnReady(Ready ready) noexcept = 0;

 protected:
  ~EventHandler() = default;
};

// Work that waits for its next turn, embedded in its owner: an object whose
// budget ran out queues itself behind the others. The destructor takes it off
// the queue. Loop thread only.
class Runnable : public ListNode<Runnable> {
 public:
  virtual void Run() noexcept = 0;

 protected:
  ~Runnable() = default;
};

// What may be freed only when the round that retired it is over.
class Retired {
 public:
  virtual ~Retired() = default;
};

// A registered descriptor: an index into the handler table and the generation
// of its slot, so that an event which was fetched for a closed descriptor is
// dropped even when its slot and number are taken again.
enum class Handle : uint64_t { kNone = 0 };

class Reactor {
 public:
  struct Options {
    std::string name = "reactor";
    Kernel* kernel = &Kernel::Real();
    Clock* clock = &Clock::Real();
    std::unique_ptr<Poller> poller;  // required
    LoopMonitor* monitor = nullptr;  // optional; outlives the reactor
  };

  static constexpr size_t kTasksPerRound = 256;
  // A turn of a bulk stream moves up to 1 MiB, in some 100 to 300 us: a small
  // message, a new connection or a due timer waits for a few of them at most,
  // however many streams are busy. One more look at the kernel costs nothing
  // beside that.
  static constexpr size_t kRunnablesPerRound = 4;

  explicit Reactor(Options options);
  // After Run() returned, or on the thread that drove RunOnce(). Handlers must
  // have unregistered. Tasks that never ran are destroyed.
  ~Reactor();

  // --- Loop thread, or any thread before the loop starts ------------------

  struct Registration {
    Handle handle = Handle::kNone;
    int error = 0;  // an errno; then the handle is kNone
  };
  // `handler` outlives the registration; `fd` stays the caller's.
  [[nodiscard]] Registration Register(int fd, FdKind kind,
                                      EventHandler* handler);
  void Arm(Handle handle, Interest interest);

  // Ends a registration and closes its descriptor as soon as the kernel has let
  // go of it (at once on epoll, poll and select).
  void Close(Handle handle, UniqueFd fd);
  // Ends a registration; the descriptor lives on. `done` runs when the kernel
  // has let go of it: before this call returns where that is at once.
  void Unregister(Handle handle, Task done);

  // See TimerWheel::Schedule().
  void Schedule(Timer* timer, MonoTime deadline);
  void Cancel(Timer* timer);

  // Queues `runnable` for the next step 4, behind those that wait already;
  // nothing if it is queued.
  void Enqueue(Runnable* runnable);
  // Frees `object` in step 5.
  void Retire(std::unique_ptr<Retired> object);

  // For the loop's own metrics: a callback of this kind begins within the one
  // that runs, which is over. The loop itself says so before each event, timer,
  // turn and task.
  void Enter(CallbackKind kind, Subject subject = {}) {
    if (monitor_ == nullptr) return;
    monitor_->Enter(*clock_, kind, subject);
  }
  // The callback that runs is of this kind and for that one. A handler says so
  // first of all.
  void Describe(CallbackKind kind, Subject subject) {
    if (monitor_ != nullptr) monitor_->Describe(kind, subject);
  }

  // The time at which the last wait returned.
  MonoTime Now() const {
    AssertOnLoop();
    return now_;
  }
  Kernel& kernel() const { return *kernel_; }
  Poller& poller() const { return *poller_; }

  // One round. The wait ends at `max_wait` at the latest. For tests and
  // simulations; Run() calls it too.
  void RunOnce(Duration max_wait = kForever);

  // Rounds until Stop(). The calling thread becomes the loop thread.
  void Run();

  // --- Any thread -----------------------------------------------------------

  // Runs `task` on the loop thread in step 4. Tasks of one thread keep their
  // order. After the loop ended, tasks are destroyed with the reactor, unrun.
  void Post(Task task);
  // Run() returns after the round that it is in.
  void Stop();
  const std::string& name() const { return name_; }
  // Tasks that were posted and have not begun.
  size_t queue_depth() const { return mailbox_.depth(); }
  // Timers that were scheduled when the last wait began.
  int64_t pending_timers() const { return pending_timers_.Value(); }
  Clock& clock() const { return *clock_; }

  // Dies (in debug builds) unless called on the loop thread. Before the loop
  // runs, every thread passes for it.
  void AssertOnLoop() const ABSL_ASSERT_EXCLUSIVE_LOCK(thread_) {
    thread_.AssertHeld();
  }

 private:
  struct Slot {
    EventHandler* handler = nullptr;
    int fd = -1;
    uint32_t generation = 1;
  };
  // A descriptor that the poller has not let go of yet.
  struct Leaving {
    UniqueFd fd;
    Task done;
  };

  // Null when the token's slot was given up since.
  Slot* Find(uint64_t token) ABSL_EXCLUSIVE_LOCKS_REQUIRED(thread_);
  // Gives the slot up and forgets its descriptor; true when the poller let go
  // at once.
  bool Forget(Handle handle, Forgetting how)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(thread_);
  void Wait(Duration max_wait) ABSL_EXCLUSIVE_LOCKS_REQUIRED(thread_);
  Duration WaitTime(MonoTime now, Duration max_wait)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(thread_);
  void Dispatch(const PollEvent& event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(thread_);
  void RunQueued() ABSL_EXCLUSIVE_LOCKS_REQUIRED(thread_);

  // Constant after construction.
  const std::string name_;
  Kernel* const kernel_;
  Clock* const clock_;
  const std::unique_ptr<Poller> poller_;
  LoopMonitor* const monitor_;

  // Loop thread only.
  LoopThread thread_;
  MonoTime now_ ABSL_GUARDED_BY(thread_);
  TimerWheel timers_ ABSL_GUARDED_BY(thread_);
  std::vector<Slot> slots_ ABSL_GUARDED_BY(thread_);
  std::vector<uint32_t> free_slots_ ABSL_GUARDED_BY(thread_);
  absl::flat_hash_map<uint64_t, Leaving> leaving_ ABSL_GUARDED_BY(thread_);
  std::vector<PollEvent> events_ ABSL_GUARDED_BY(thread_);
  // What waits for the next step 4, and for this one (between rounds: what was
  // one too many).
  IntrusiveList<Runnable> queued_ ABSL_GUARDED_BY(thread_);
  IntrusiveList<Runnable> running_ ABSL_GUARDED_BY(thread_);
  // Tasks that were collected from the mailbox and have not run.
  size_t tasks_ ABSL_GUARDED_BY(thread_) = 0;
  std::vector<std::unique_ptr<Retired>> retired_ ABSL_GUARDED_BY(thread_);

  // Any thread.
  Gauge pending_timers_;  // written by the loop
  Mailbox mailbox_;
  std::atomic<bool> stopping_{false};  // written by Stop(), read each round
};

}  // namespace weir

#endif  // REACTOR_REACTOR_H_
