#include "reactor/pollers/poll_poller.h"

#include <errno.h>

#include <utility>

#include "absl/status/status.h"
#include "glog/logging.h"
#include "reactor/pollers/poll_bits.h"

namespace weir {

absl::StatusOr<std::unique_ptr<Poller>> PollPoller::Create() {
  std::unique_ptr<PollPoller> poller(new PollPoller);
  if (const int error = poller->wake_.error(); error != 0) {
    return absl::ErrnoToStatus(error, "eventfd");
  }
  return std::unique_ptr<Poller>(std::move(poller));
}

PollPoller::PollPoller()
    : fds_{{wake_.fd(), POLLIN, 0}},
      entries_{{0, wake_.fd(), FdKind::kLevel, kRead}} {}

size_t PollPoller::Known(int fd) const {
  CHECK(fd >= 0 && static_cast<size_t>(fd) < index_.size());
  const size_t index = index_[static_cast<size_t>(fd)];
  CHECK_NE(index, 0u) << "descriptor " << fd << " is not known";
  return index;
}

int PollPoller::Add(int fd, uint64_t token, FdKind kind) {
  CHECK_GE(fd, 0);
  const size_t number = static_cast<size_t>(fd);
  if (number >= index_.size()) index_.resize(number + 1);
  CHECK_EQ(index_[number], 0u) << "descriptor " << fd << " added twice";
  index_[number] = entries_.size();
  entries_.push_back({token, fd, kind, 0});
  fds_.push_back({-1, 0, 0});
  return 0;
}

void PollPoller::Update(size_t index) {
  const Entry& entry = entries_[index];
  // HUP and ERR are reported even for events = 0; a number below 0 is skipped.
  fds_[index].fd = entry.armed == 0 ? -1 : entry.fd;
  fds_[index].events = static_cast<short>(PollBits(entry.armed));
}

void PollPoller::Arm(int fd, Interest interest) {
  const size_t index = Known(fd);
  Entry& entry = entries_[index];
  entry.armed = ArmedWith(entry.kind, entry.armed, interest);
  Update(index);
}

bool PollPoller::Forget(int fd, Forgetting) {
  const size_t index = Known(fd);
  index_[static_cast<size_t>(fd)] = 0;
  if (index != entries_.size() - 1) {
    entries_[index] = entries_.back();
    fds_[index] = fds_.back();
    index_[static_cast<size_t>(entries_[index].fd)] = index;
  }
  entries_.pop_back();
  fds_.pop_back();
  return true;
}

void PollPoller::Report(size_t index, std::vector<PollEvent>* events) {
  const uint32_t bits = static_cast<uint32_t>(fds_[index].revents);
  Entry& entry = entries_[index];
  // Its number may be another's by now: going on would mix two streams.
  CHECK_EQ(bits & POLLNVAL, 0u)
      << "descriptor " << entry.fd << " was closed before Forget()";
  const Ready ready = ReadyFromPoll(bits);
  events->push_back({entry.token, ready});
  if (!IsLevel(entry.kind)) {
    entry.armed = static_cast<Interest>(entry.armed & ~FiredBy(ready));
    Update(index);
  }
}

void PollPoller::Wait(Duration timeout, std::vector<PollEvent>* events) {
  const int count =
      ppoll(fds_.data(), fds_.size(), Timeout(timeout).get(), nullptr);
  // ENOMEM passes, and until then there is nothing to tell.
  PCHECK(count >= 0 || errno == EINTR || errno == ENOMEM) << "ppoll";
  if (count <= 0) return;
  int left = count;
  if (fds_[0].revents != 0) {
    wake_.Drain();
    --left;
  }
  const size_t size = fds_.size();
  size_t index = start_;
  for (int room = kMaxEvents; left > 0 && room > 0; ++index) {
    if (index >= size) index = 1;
    if (fds_[index].revents == 0) continue;
    Report(index, events);
    --left;
    --room;
  }
  start_ = index;
}

}  // namespace weir
