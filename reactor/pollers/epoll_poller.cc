#include "reactor/pollers/epoll_poller.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <utility>

#include "absl/status/status.h"
#include "glog/logging.h"
#include "reactor/pollers/poll_bits.h"

namespace weir {
namespace {

static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLPRI == POLLPRI &&
              EPOLLERR == POLLERR && EPOLLHUP == POLLHUP &&
              EPOLLRDHUP == POLLRDHUP);

// What no registration has: generation 0 is never given out.
constexpr uint64_t kWakeData = 0;
constexpr uint64_t kAlarmData = 1;

// A timeout in the call costs the kernel a timer that it starts and cancels
// each time (3 % of the CPU of a small message); the alarm is set once for many
// waits, but costs a call of its own. So it is for what is some way off.
constexpr Duration kShortWait = std::chrono::milliseconds(20);
// Nor for ever, or nearly, which is no time that a clock could show.
constexpr Duration kLongWait = std::chrono::hours(24);

uint64_t DataOf(int fd, uint32_t generation) {
  return uint64_t{generation} << 32 | static_cast<uint32_t>(fd);
}

// For epoll_wait: milliseconds, rounded up, -1 for ever. A wait of over 24 days
// ends early.
int Milliseconds(Duration timeout) {
  if (timeout == kForever) return -1;
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  return static_cast<int>(std::clamp<int64_t>(ms, 0, INT_MAX));
}

uint32_t EventsOf(FdKind kind, Interest armed) {
  switch (kind) {
    case FdKind::kTcp:
      return PollBits(kRead | kWrite) | EPOLLET;
    case FdKind::kUnix:
      // Without OUT while nobody waits for room: a peer that reads makes an
      // edge each time.
      return PollBits(kRead | (armed & kWrite)) | EPOLLET;
    case FdKind::kLevel:
      // ERR and HUP cannot be masked: with nothing armed they would be reported
      // for ever, so they become an edge, which Report() drops.
      return armed == 0 ? uint32_t{EPOLLET} : PollBits(armed);
    case FdKind::kSharedListener:
      // The other bits are not allowed beside it, nor is a later MOD.
      return uint32_t{EPOLLIN} | EPOLLEXCLUSIVE;
  }
  LOG(FATAL) << "no such kind";
}

}  // namespace

absl::StatusOr<std::unique_ptr<Poller>> EpollPoller::Create() {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return absl::ErrnoToStatus(errno, "epoll_create1");
  std::unique_ptr<EpollPoller> poller(new EpollPoller(std::move(epoll)));
  if (const int error = poller->wake_.error(); error != 0) {
    return absl::ErrnoToStatus(error, "eventfd");
  }
  epoll_event event = {};
  event.events = uint32_t{EPOLLIN} | EPOLLET;
  event.data.u64 = kWakeData;
  if (epoll_ctl(poller->epoll_.get(), EPOLL_CTL_ADD, poller->wake_.fd(),
                &event) != 0) {
    return absl::ErrnoToStatus(errno, "epoll_ctl");
  }
  // Where there is none, each call has its timeout.
  event.data.u64 = kAlarmData;
  if (UniqueFd alarm(
          timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
      alarm && epoll_ctl(poller->epoll_.get(), EPOLL_CTL_ADD, alarm.get(),
                         &event) == 0) {
    poller->alarm_ = std::move(alarm);
  }
  return std::unique_ptr<Poller>(std::move(poller));
}

EpollPoller::EpollPoller(UniqueFd epoll) : epoll_(std::move(epoll)) {}

int EpollPoller::Control(int operation, int fd, const Entry& entry) {
  epoll_event event = {};
  event.events = EventsOf(entry.kind, entry.armed);
  event.data.u64 = DataOf(fd, entry.generation);
  return epoll_ctl(epoll_.get(), operation, fd, &event) == 0 ? 0 : errno;
}

void EpollPoller::Modify(int fd, const Entry& entry) {
  // Allocates nothing, so it fails only where `fd` is not what was added.
  const int error = Control(EPOLL_CTL_MOD, fd, entry);
  CHECK_EQ(error, 0) << "descriptor " << fd << " was closed before Forget()";
}

EpollPoller::Entry& EpollPoller::Known(int fd) {
  CHECK(fd >= 0 && static_cast<size_t>(fd) < entries_.size());
  Entry& entry = entries_[static_cast<size_t>(fd)];
  CHECK(entry.known) << "descriptor " << fd << " is not known";
  return entry;
}

int EpollPoller::Add(int fd, uint64_t token, FdKind kind) {
  CHECK_GE(fd, 0);
  const size_t index = static_cast<size_t>(fd);
  if (index >= entries_.size()) entries_.resize(index + 1);
  Entry& entry = entries_[index];
  CHECK(!entry.known) << "descriptor " << fd << " added twice";
  if (++generation_ == 0) generation_ = 1;
  entry = {token, generation_, kind, 0, true};
  const int error = Control(EPOLL_CTL_ADD, fd, entry);
  if (error != 0) entry = Entry();
  return error;
}

void EpollPoller::Arm(int fd, Interest interest) {
  Entry& entry = Known(fd);
  Interest armed = interest;
  switch (entry.kind) {
    case FdKind::kTcp:
      return;
    case FdKind::kUnix:
      // MOD reports again what holds already, so it is made even if the kernel
      // knows OUT: the edge may have been consumed.
      if ((interest & kWrite) == 0) return;
      armed = kWrite;
      break;
    case FdKind::kLevel:
      if (armed == entry.armed) return;
      break;
    case FdKind::kSharedListener:
      entry.armed = armed;
      return;
  }
  entry.armed = armed;
  Modify(fd, entry);
}

bool EpollPoller::Forget(int fd, Forgetting how) {
  Entry& entry = Known(fd);
  if (how == Forgetting::kKeeping || entry.kind == FdKind::kSharedListener) {
    const int error = Control(EPOLL_CTL_DEL, fd, entry);
    CHECK_EQ(error, 0) << "descriptor " << fd << " was closed before Forget()";
  }
  entry = Entry();
  return true;
}

int EpollPoller::Call(Duration timeout, epoll_event* ready, int size) {
  if (has_pwait2_) {
    const int count = epoll_pwait2(epoll_.get(), ready, size,
                                   Timeout(timeout).get(), nullptr);
    // EPERM: a filter that was written before the call (old containers').
    if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
    has_pwait2_ = false;
  }
  return epoll_wait(epoll_.get(), ready, size, Milliseconds(timeout));
}

void EpollPoller::Report(const epoll_event& event,
                         std::vector<PollEvent>* events) {
  if (event.data.u64 == kWakeData) {
    wake_.Seen();
    return;
  }
  if (event.data.u64 == kAlarmData) {
    // (Not read: the next setting makes it an edge again.)
    alarm_at_ = kNever;
    return;
  }
  const uint32_t fd = static_cast<uint32_t>(event.data.u64);
  Entry& entry = entries_[fd];
  // The kernel may still report a description that was closed but is shared.
  if (!entry.known ||
      DataOf(static_cast<int>(fd), entry.generation) != event.data.u64) {
    return;
  }
  const Ready ready = ReadyFromPoll(event.events);
  if (entry.kind == FdKind::kUnix) {
    if ((entry.armed & FiredBy(ready)) != 0) {
      entry.armed = 0;
      Modify(static_cast<int>(fd), entry);
    }
  } else if (IsLevel(entry.kind) && entry.armed == 0) {
    return;
  }
  events->push_back({entry.token, ready});
}

bool EpollPoller::SetAlarm(Duration timeout) {
  if (!alarm_ || timeout <= kShortWait || timeout >= kLongWait) return false;
  const MonoTime at = Clock::Real().Now() + timeout;
  // An earlier one ends the wait early, once.
  if (alarm_at_ <= at) return true;
  const auto since_boot = at.time_since_epoch();
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(since_boot);
  itimerspec setting{};
  setting.it_value.tv_sec = seconds.count();
  setting.it_value.tv_nsec = (since_boot - seconds).count();
  if (timerfd_settime(alarm_.get(), TFD_TIMER_ABSTIME, &setting, nullptr) !=
      0) {
    return false;
  }
  alarm_at_ = at;
  return true;
}

void EpollPoller::Wait(Duration timeout, std::vector<PollEvent>* events) {
  if (SetAlarm(timeout)) timeout = kForever;
  epoll_event ready[kMaxEvents];
  const int count = Call(timeout, ready, kMaxEvents);
  PCHECK(count >= 0 || errno == EINTR) << "epoll_wait";
  for (int i = 0; i < count; ++i) Report(ready[i], events);
}

}  // namespace weir
