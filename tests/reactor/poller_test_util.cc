#include "tests/reactor/poller_test_util.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "glog/logging.h"

namespace weir {
namespace {

sockaddr* AsSockaddr(sockaddr_in* address) {
  return reinterpret_cast<sockaddr*>(address);
}

void AwaitPoll(int fd, short events) {
  pollfd entry = {fd, events, 0};
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(kBound).count();
  PCHECK(poll(&entry, 1, static_cast<int>(ms)) == 1) << "nothing came";
}

}  // namespace

UniqueFd Listen(int backlog, sockaddr_in* address) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  *address = {};
  address->sin_family = AF_INET;
  address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(*address);
  PCHECK(bind(fd.get(), AsSockaddr(address), size) == 0);
  if (backlog >= 0) PCHECK(listen(fd.get(), backlog) == 0);
  PCHECK(getsockname(fd.get(), AsSockaddr(address), &size) == 0);
  return fd;
}

UniqueFd Connect(const sockaddr_in& address) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in copy = address;
  PCHECK(connect(fd.get(), AsSockaddr(&copy), sizeof(copy)) == 0 ||
         errno == EINPROGRESS);
  return fd;
}

Pair TcpPair() {
  sockaddr_in address;
  const UniqueFd listener = Listen(8, &address);
  Pair pair;
  pair.far = Connect(address);
  AwaitPoll(listener.get(), POLLIN);
  pair.near = UniqueFd(
      accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  PCHECK(pair.near.valid());
  AwaitPoll(pair.far.get(), POLLOUT);
  return pair;
}

Pair UnixPair() {
  int fds[2];
  PCHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                    fds) == 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

void SendBytes(const UniqueFd& fd, size_t count, int flags) {
  const std::string bytes(count, 'x');
  ASSERT_EQ(send(fd.get(), bytes.data(), count, flags | MSG_NOSIGNAL),
            static_cast<ssize_t>(count));
}

ssize_t Receive(const UniqueFd& fd) {
  char bytes[4096];
  const ssize_t got = recv(fd.get(), bytes, sizeof(bytes), 0);
  return got >= 0 ? got : -errno;
}

int SocketError(const UniqueFd& fd) {
  int error = 0;
  socklen_t size = sizeof(error);
  EXPECT_EQ(getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size), 0);
  return error;
}

void Reset(UniqueFd fd) {
  const linger now = {1, 0};
  PCHECK(setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
}

size_t Fill(int fd) {
  static constexpr std::array<char, 65536> kBytes = {};
  size_t sum = 0;
  const auto end = std::chrono::steady_clock::now() + kBound;
  for (bool shut = false;;) {
    const ssize_t sent = send(fd, kBytes.data(), kBytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      sum += static_cast<size_t>(sent);
      shut = false;
      continue;
    }
    PCHECK(errno == EAGAIN);
    if (shut) return sum;
    // When all that is queued is unsent, the window is shut, and no
    // acknowledgement is on its way that would make room after one more look.
    int queued = 0;
    int unsent = 0;
    if (ioctl(fd, SIOCOUTQNSD, &unsent) != 0) return sum;  // AF_UNIX
    PCHECK(ioctl(fd, SIOCOUTQ, &queued) == 0);
    shut = queued == unsent;
    CHECK(std::chrono::steady_clock::now() < end);
  }
}

size_t DrainAll(int fd) {
  std::array<char, 65536> bytes;
  size_t sum = 0;
  for (;;) {
    const ssize_t got = recv(fd, bytes.data(), bytes.size(), 0);
    if (got <= 0) return sum;
    sum += static_cast<size_t>(got);
  }
}

void AwaitBytes(int fd, int bytes) {
  const auto end = std::chrono::steady_clock::now() + kBound;
  for (int queued = 0; queued < bytes;) {
    PCHECK(ioctl(fd, FIONREAD, &queued) == 0);
    CHECK(std::chrono::steady_clock::now() < end);
  }
}

int AwaitEnd(int fd) {
  std::array<char, 65536> bytes;
  for (;;) {
    const ssize_t got = recv(fd, bytes.data(), bytes.size(), 0);
    if (got == 0) return 0;
    if (got > 0) continue;
    if (errno != EAGAIN) return -errno;
    AwaitPoll(fd, POLLIN);
  }
}

bool AllowDescriptors(size_t count) {
  rlimit limit;
  PCHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  if (limit.rlim_cur >= count) return true;
  limit.rlim_cur = limit.rlim_max;
  PCHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  return limit.rlim_cur >= count;
}

std::vector<PollEvent> WaitOn(Poller* poller, Duration timeout) {
  const auto end = std::chrono::steady_clock::now() + kBound;
  std::vector<PollEvent> events;
  do {
    poller->Wait(timeout, &events);
  } while (timeout == kBound && events.empty() &&
           std::chrono::steady_clock::now() < end);
  EXPECT_LE(events.size(), size_t{Poller::kMaxEvents});
  return events;
}

std::string TestName(const testing::TestParamInfo<PollerKind>& parameter) {
  return std::string(PollerName(parameter.param));
}

void PollerContract::SetUp() {
  absl::StatusOr<std::unique_ptr<Poller>> made = MakePoller(GetParam());
  if (absl::IsUnavailable(made.status())) {
    GTEST_SKIP() << PollerName(GetParam()) << ": " << made.status();
  }
  ASSERT_TRUE(made.ok()) << made.status();
  poller_ = *std::move(made);
}

void PollerContract::Add(int fd, uint64_t token, FdKind kind) {
  ASSERT_EQ(poller_->Add(fd, token, kind), 0);
  const std::vector<PollEvent> events = Look(Duration::zero());
  if (!IsEpoll()) {
    EXPECT_TRUE(events.empty());
  }
}

std::vector<PollEvent> PollerContract::Look(Duration timeout) {
  return WaitOn(poller_.get(), timeout);
}

Ready PollerContract::Until(uint64_t token, Ready bits) {
  Ready said = 0;
  const auto end = std::chrono::steady_clock::now() + kBound;
  while ((said & bits) == 0) {
    if (std::chrono::steady_clock::now() >= end) {
      ADD_FAILURE() << "no event with " << int{bits} << " but " << int{said};
      break;
    }
    for (const PollEvent& event : Look(kBound)) {
      if (event.token == token) said |= event.ready;
    }
  }
  return said;
}

size_t PollerContract::CountIdle() {
  size_t count = 0;
  for (int i = 0; i < 50; ++i) count += Look(Duration::zero()).size();
  return count;
}

void PollerContract::ForgetNow(int fd, uint64_t token, Forgetting how) {
  if (poller_->Forget(fd, how)) return;
  std::vector<PollEvent> events;
  poller_->Wait(kBound, &events);
  bool forgotten = false;
  for (const PollEvent& event : events) {
    if (event.token != token) continue;
    EXPECT_EQ(event.ready, kForgotten);
    EXPECT_FALSE(forgotten);
    forgotten = true;
  }
  EXPECT_TRUE(forgotten) << "not within one round";
}

}  // namespace weir
