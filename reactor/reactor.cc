#include "reactor/reactor.h"

#include <algorithm>
#include <utility>

#include "glog/logging.h"
#include "reactor/thread_usage.h"

namespace weir {
namespace {

uint64_t MakeToken(uint32_t index, uint32_t generation) {
  return uint64_t{generation} << 32 | index;
}

uint32_t IndexOf(uint64_t token) { return static_cast<uint32_t>(token); }

uint32_t GenerationOf(uint64_t token) {
  return static_cast<uint32_t>(token >> 32);
}

}  // namespace

Reactor::Reactor(Options options)
    : name_(std::move(options.name)),
      kernel_(options.kernel),
      clock_(options.clock),
      poller_(std::move(options.poller)),
      monitor_(options.monitor),
      now_(clock_->Now()),
      timers_(now_) {
  CHECK(poller_ != nullptr);
  events_.reserve(Poller::kMaxEvents);
}

Reactor::~Reactor() = default;

Reactor::Registration Reactor::Register(int fd, FdKind kind,
                                        EventHandler* handler) {
  AssertOnLoop();
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const uint32_t index = free_slots_.back();
  Slot& slot = slots_[index];
  const uint64_t token = MakeToken(index, slot.generation);
  if (const int error = poller_->Add(fd, token, kind); error != 0) {
    return {Handle::kNone, error};
  }
  free_slots_.pop_back();
  slot.handler = handler;
  slot.fd = fd;
  return {static_cast<Handle>(token), 0};
}

Reactor::Slot* Reactor::Find(uint64_t token) {
  const uint32_t index = IndexOf(token);
  if (index >= slots_.size()) return nullptr;
  Slot& slot = slots_[index];
  if (slot.handler == nullptr || slot.generation != GenerationOf(token)) {
    return nullptr;
  }
  return &slot;
}

void Reactor::Arm(Handle handle, Interest interest) {
  AssertOnLoop();
  Slot* slot = Find(static_cast<uint64_t>(handle));
  CHECK(slot != nullptr);
  poller_->Arm(slot->fd, interest);
}

bool Reactor::Forget(Handle handle, Forgetting how) {
  const uint64_t token = static_cast<uint64_t>(handle);
  Slot* slot = Find(token);
  CHECK(slot != nullptr);
  const int fd = slot->fd;
  slot->handler = nullptr;
  slot->fd = -1;
  // 0 would make the token of slot 0 equal to Handle::kNone.
  if (++slot->generation == 0) slot->generation = 1;
  free_slots_.push_back(IndexOf(token));
  return poller_->Forget(fd, how);
}

void Reactor::Close(Handle handle, UniqueFd fd) {
  AssertOnLoop();
  if (Forget(handle, Forgetting::kClosing)) return;  // closes fd
  leaving_[static_cast<uint64_t>(handle)] = Leaving{std::move(fd), nullptr};
}

void Reactor::Unregister(Handle handle, Task done) {
  AssertOnLoop();
  if (Forget(handle, Forgetting::kKeeping)) {
    if (done) std::move(done)();
    return;
  }
  leaving_[static_cast<uint64_t>(handle)] = Leaving{{}, std::move(done)};
}

void Reactor::Schedule(Timer* timer, MonoTime deadline) {
  AssertOnLoop();
  timers_.Schedule(timer, deadline);
}

void Reactor::Cancel(Timer* timer) {
  AssertOnLoop();
  timers_.Cancel(timer);
}

void Reactor::Enqueue(Runnable* runnable) {
  AssertOnLoop();
  if (!runnable->linked()) queued_.PushBack(runnable);
}

void Reactor::Retire(std::unique_ptr<Retired> object) {
  AssertOnLoop();
  retired_.push_back(std::move(object));
}

Duration Reactor::WaitTime(MonoTime now, Duration max_wait) {
  if (!running_.empty() || !queued_.empty() || tasks_ > 0) {
    return Duration::zero();
  }
  const MonoTime due = timers_.NextDue();
  Duration wait = max_wait;
  if (due != kNever) wait = std::clamp(due - now, Duration::zero(), max_wait);
  // Only a loop that really sleeps asks the producers to wake it.
  if (wait > Duration::zero() && !mailbox_.PrepareToSleep()) {
    return Duration::zero();
  }
  return wait;
}

void Reactor::Wait(Duration max_wait) {
  events_.clear();
  const MonoTime start =
      monitor_ != nullptr ? monitor_->BeforeWait(*clock_) : clock_->Now();
  pending_timers_.Set(static_cast<int64_t>(timers_.size()));
  const Duration timeout = WaitTime(start, max_wait);
  poller_->Wait(timeout, &events_);
  now_ = monitor_ != nullptr
             ? monitor_->AfterWait(*clock_, timeout, events_.size(),
                                   events_.size() >= Poller::kMaxEvents)
             : clock_->Now();
  mailbox_.Awake();
  tasks_ = mailbox_.Collect();
}

void Reactor::Dispatch(const PollEvent& event) {
  Enter(CallbackKind::kTask);
  if ((event.ready & kForgotten) != 0) {
    auto leaving = leaving_.extract(event.token);
    CHECK(!leaving.empty());
    if (Task& done = leaving.mapped().done; done) std::move(done)();
    return;  // closes the descriptor that was left
  }
  // A handler before this one may have given the slot up.
  if (Slot* slot = Find(event.token)) slot->handler->OnReady(event.ready);
}

void Reactor::RunQueued() {
  // What a turn queues waits for the next look at the kernel.
  running_.Splice(&queued_);
  for (size_t i = 0; i < kRunnablesPerRound; ++i) {
    Runnable* const runnable = running_.Front();
    if (runnable == nullptr) break;
    runnable->Unlink();
    Enter(CallbackKind::kTask);
    runnable->Run();
  }
  if (tasks_ == 0) return;
  tasks_ -= mailbox_.Run(std::min(tasks_, kTasksPerRound),
                         [this] { Enter(CallbackKind::kTask); });
}

void Reactor::RunOnce(Duration max_wait) {
  AssertOnLoop();
  Wait(max_wait);
  for (const PollEvent& event : events_) Dispatch(event);
  timers_.Advance(now_, [this] { Enter(CallbackKind::kTimer); });
  RunQueued();
  if (retired_.empty()) return;
  Enter(CallbackKind::kTask);
  // What is freed may retire more; that waits for the next round.
  std::exchange(retired_, {}).clear();
}

void Reactor::Run() {
  thread_.Bind();
  if (monitor_ != nullptr) monitor_->Started(ThreadUsage::OfThisThread());
  while (!stopping_.load(std::memory_order_acquire)) RunOnce(kForever);
  if (monitor_ != nullptr) monitor_->Finished(*clock_);
  thread_.Unbind();
}

void Reactor::Post(Task task) {
  if (mailbox_.Push(std::move(task))) poller_->Wake();
}

void Reactor::Stop() {
  stopping_.store(true, std::memory_order_release);
  poller_->Wake();
}

}  // namespace weir
