// For the tests of pollers: sockets on the loopback interface, and a poller
// with the waits that a test needs.

#ifndef TESTS_REACTOR_POLLER_TEST_UTIL_H_
#define TESTS_REACTOR_POLLER_TEST_UTIL_H_

#include <netinet/in.h>
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "reactor/clock.h"
#include "reactor/fd.h"
#include "reactor/poller.h"

namespace weir {

// Only a failing test gets there.
inline constexpr Duration kBound = std::chrono::seconds(30);

struct Pair {
  UniqueFd near;  // the side that the poller watches
  UniqueFd far;
};

// A listener on 127.0.0.1, port 0, and its address.
UniqueFd Listen(int backlog, sockaddr_in* address);
// A non-blocking socket whose connect() was begun.
UniqueFd Connect(const sockaddr_in& address);
// Both non-blocking.
Pair TcpPair();
Pair UnixPair();

// Sends `count` bytes, which must fit.
void SendBytes(const UniqueFd& fd, size_t count, int flags = 0);
// One recv() of up to 4 KiB: its value, or -errno.
ssize_t Receive(const UniqueFd& fd);
// Takes SO_ERROR.
int SocketError(const UniqueFd& fd);

// Closes with a reset.
void Reset(UniqueFd fd);
// Sends until the kernel takes no more, and will not before the other side
// reads; returns the bytes.
size_t Fill(int fd);
// Receives until EAGAIN, or until the end; returns the bytes.
size_t DrainAll(int fd);
// Waits until `fd` has something to read or `bytes` lie in its queue, so that
// what was sent is known to have arrived.
void AwaitBytes(int fd, int bytes);
// What recv() said in the end, waiting for it: 0 for a FIN, -errno.
int AwaitEnd(int fd);
// Raises the soft limit; true when `count` descriptors may be open.
bool AllowDescriptors(size_t count);

// One Wait(); with kBound, until it reports something. (The kernel interrupts
// the thread that used an io_uring some time after the ring was closed, so a
// test of another poller may see a wait that ends early.)
std::vector<PollEvent> WaitOn(Poller* poller, Duration timeout);

// For INSTANTIATE_TEST_SUITE_P: the poller's name.
std::string TestName(const testing::TestParamInfo<PollerKind>& parameter);

class PollerContract : public testing::TestWithParam<PollerKind> {
 protected:
  void SetUp() override;

  bool IsEpoll() const { return GetParam() == PollerKind::kEpoll; }
  bool IsSelect() const { return GetParam() == PollerKind::kSelect; }

  // Add(), which must work, and the edge that epoll reports then is taken.
  void Add(int fd, uint64_t token, FdKind kind);
  // WaitOn() the poller.
  std::vector<PollEvent> Look(Duration timeout);
  // Waits until an event of `token` has one of `bits`; returns all that was
  // said of the token. Fails the test after kBound.
  Ready Until(uint64_t token, Ready bits);
  // How many events come in many looks that do not wait.
  size_t CountIdle();
  // Forgets, waiting for kForgotten where it follows. It takes one round.
  void ForgetNow(int fd, uint64_t token, Forgetting how);

  std::unique_ptr<Poller> poller_;
};

}  // namespace weir

#endif  // TESTS_REACTOR_POLLER_TEST_UTIL_H_
