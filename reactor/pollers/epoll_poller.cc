#include "reactor/pollers/epoll_poller.h"

#include <errno.h>
#include <sys/epoll.h>

#include <algorithm>
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

void EpollPoller::Wait(Duration timeout, std::vector<PollEvent>* events) {
  epoll_event ready[kMaxEvents];
  const int count = Call(timeout, ready, kMaxEvents);
  PCHECK(count >= 0 || errno == EINTR) << "epoll_wait";
  for (int i = 0; i < count; ++i) Report(ready[i], events);
}

}  // namespace weir
