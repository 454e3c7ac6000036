#include "reactor/pollers/select_poller.h"

#include <errno.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "reactor/pollers/poll_bits.h"

namespace weir {

absl::StatusOr<std::unique_ptr<Poller>> SelectPoller::Create() {
  std::unique_ptr<SelectPoller> poller(new SelectPoller);
  if (const int error = poller->wake_.error(); error != 0) {
    return absl::ErrnoToStatus(error, "eventfd");
  }
  const int fd = poller->wake_.fd();
  if (fd >= FD_SETSIZE) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "select takes descriptors below ", FD_SETSIZE, ", and got ", fd));
  }
  FD_SET(fd, &poller->read_);
  poller->end_ = fd + 1;
  return std::unique_ptr<Poller>(std::move(poller));
}

SelectPoller::SelectPoller() {
  FD_ZERO(&read_);
  FD_ZERO(&write_);
}

SelectPoller::Entry& SelectPoller::Known(int fd) {
  CHECK(fd >= 0 && fd < FD_SETSIZE);
  Entry& entry = entries_[static_cast<size_t>(fd)];
  CHECK(entry.known) << "descriptor " << fd << " is not known";
  return entry;
}

int SelectPoller::Add(int fd, uint64_t token, FdKind kind) {
  CHECK_GE(fd, 0);
  if (fd >= FD_SETSIZE) return EMFILE;
  Entry& entry = entries_[static_cast<size_t>(fd)];
  CHECK(!entry.known) << "descriptor " << fd << " added twice";
  entry = {token, kind, 0, true};
  end_ = std::max(end_, fd + 1);
  return 0;
}

void SelectPoller::Update(int fd, Interest armed) {
  if ((armed & kRead) != 0) {
    FD_SET(fd, &read_);
  } else {
    FD_CLR(fd, &read_);
  }
  if ((armed & kWrite) != 0) {
    FD_SET(fd, &write_);
  } else {
    FD_CLR(fd, &write_);
  }
}

void SelectPoller::Arm(int fd, Interest interest) {
  Entry& entry = Known(fd);
  entry.armed = ArmedWith(entry.kind, entry.armed, interest);
  Update(fd, entry.armed);
}

bool SelectPoller::Forget(int fd, Forgetting) {
  Known(fd) = Entry();
  Update(fd, 0);
  while (end_ - 1 > wake_.fd() &&
         !entries_[static_cast<size_t>(end_ - 1)].known) {
    --end_;
  }
  return true;
}

void SelectPoller::Wait(Duration timeout, std::vector<PollEvent>* events) {
  fd_set readable = read_;
  fd_set writable = write_;
  fd_set urgent = read_;
  const int count = pselect(end_, &readable, &writable, &urgent,
                            Timeout(timeout).get(), nullptr);
  // EBADF: closed before Forget(). Its number may be another's by now, and
  // going on would mix two streams. ENOMEM passes.
  PCHECK(count >= 0 || errno == EINTR || errno == ENOMEM) << "pselect";
  if (count <= 0) return;
  int left = count;  // bits, up to three a descriptor
  if (FD_ISSET(wake_.fd(), &readable)) {
    FD_CLR(wake_.fd(), &readable);
    wake_.Drain();
    --left;
  }
  int fd = start_;
  for (int room = kMaxEvents; left > 0 && room > 0; ++fd) {
    if (fd >= end_) fd = 0;
    const bool reads = FD_ISSET(fd, &readable);
    const bool writes = FD_ISSET(fd, &writable);
    const bool urges = FD_ISSET(fd, &urgent);
    if (!reads && !writes && !urges) continue;
    left -= int{reads} + int{writes} + int{urges};
    --room;
    const Ready ready =
        static_cast<Ready>((reads ? kReadable : 0) | (writes ? kWritable : 0) |
                           (urges ? kUrgent : 0));
    Entry& entry = entries_[static_cast<size_t>(fd)];
    events->push_back({entry.token, ready});
    if (!IsLevel(entry.kind)) {
      entry.armed = static_cast<Interest>(entry.armed & ~FiredBy(ready));
      Update(fd, entry.armed);
    }
  }
  start_ = fd;
}

}  // namespace weir
