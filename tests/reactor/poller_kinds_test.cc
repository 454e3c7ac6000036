// Sockets that connect, unix sockets, level-triggered descriptors, listeners.

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "reactor/clock.h"
#include "reactor/fd.h"
#include "reactor/poller.h"
#include "tests/reactor/poller_test_util.h"

namespace weir {
namespace {

TEST_P(PollerContract, ConnectInProgress) {
  sockaddr_in address;
  const UniqueFd listener = Listen(0, &address);
  // The queue of a listener is full after some; the next SYN is dropped.
  std::vector<UniqueFd> sockets;
  pollfd connected = {-1, POLLOUT, 0};
  do {
    ASSERT_LT(sockets.size(), 100u);
    sockets.push_back(Connect(address));
    connected.fd = sockets.back().get();
    // On older kernels the answer comes a moment after the call returned.
  } while (poll(&connected, 1, 100) == 1);
  const int fd = sockets.back().get();
  Add(fd, 1, FdKind::kTcp);
  poller_->Arm(fd, kWrite);
  EXPECT_EQ(CountIdle(), 0u);
  for (size_t i = 0; i + 1 < sockets.size(); ++i) {
    const UniqueFd accepted(accept(listener.get(), nullptr, nullptr));
    ASSERT_TRUE(accepted.valid());
  }
  EXPECT_EQ(Until(1, kWritable) & kEnded, 0);  // when the SYN is sent again
  EXPECT_EQ(SocketError(sockets.back()), 0);
}

TEST_P(PollerContract, ConnectRefused) {
  sockaddr_in address;
  const UniqueFd not_listening = Listen(-1, &address);
  const UniqueFd fd = Connect(address);
  ASSERT_EQ(poller_->Add(fd.get(), 1, FdKind::kTcp), 0);
  poller_->Arm(fd.get(), kWrite | kHangup);
  const Ready ready = Until(1, kWritable);
  if (!IsSelect()) {
    EXPECT_NE(ready & kEnded, 0);
  }
  EXPECT_EQ(SocketError(fd), ECONNREFUSED);
}

TEST_P(PollerContract, UnixPeerThatReadsDoesNotWake) {
  const Pair pair = UnixPair();
  Add(pair.near.get(), 1, FdKind::kUnix);
  poller_->Arm(pair.near.get(), kRead | kHangup);
  for (int i = 0; i < 10; ++i) {
    SendBytes(pair.near, 1000);
    EXPECT_EQ(Receive(pair.far), 1000);
    EXPECT_EQ(CountIdle(), 0u);
  }
}

TEST_P(PollerContract, UnixRoomIsToldOnce) {
  const Pair pair = UnixPair();
  Add(pair.near.get(), 1, FdKind::kUnix);
  poller_->Arm(pair.near.get(), kRead);
  for (int i = 0; i < 3; ++i) {
    Fill(pair.near.get());
    poller_->Arm(pair.near.get(), kWrite);
    EXPECT_EQ(CountIdle(), 0u);
    DrainAll(pair.far.get());
    EXPECT_EQ(Until(1, kWritable), kWritable);
    SendBytes(pair.near, 1000);
    EXPECT_EQ(Receive(pair.far), 1000);
    EXPECT_EQ(CountIdle(), 0u);
  }
  SendBytes(pair.far, 1);
  Until(1, kReadable);  // armed since the beginning
}

TEST_P(PollerContract, UnixRoomThatIsThereAlready) {
  const Pair pair = UnixPair();
  Add(pair.near.get(), 1, FdKind::kUnix);
  poller_->Arm(pair.near.get(), kWrite);
  Until(1, kWritable);
  poller_->Arm(pair.near.get(), kWrite);
  Until(1, kWritable);
}

TEST_P(PollerContract, UnixClose) {
  Pair pair = UnixPair();
  Add(pair.near.get(), 1, FdKind::kUnix);
  Fill(pair.near.get());
  poller_->Arm(pair.near.get(), kRead | kWrite);
  EXPECT_EQ(CountIdle(), 0u);
  pair.far.Reset();
  const Ready ready = Until(1, kReadable);
  if (!IsSelect()) {
    EXPECT_NE(ready & kEnded, 0);
  }
  CountIdle();
  EXPECT_EQ(CountIdle(), 0u);
}

TEST_P(PollerContract, LevelReportsUntilItIsGone) {
  const UniqueFd fd(eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC));
  Add(fd.get(), 1, FdKind::kLevel);
  EXPECT_EQ(CountIdle(), 0u);
  poller_->Arm(fd.get(), kRead);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Look(kBound).size(), 1u);
  poller_->Arm(fd.get(), kRead | kWrite);
  Until(1, kWritable);
  Until(1, kReadable);
  poller_->Arm(fd.get(), 0);
  EXPECT_EQ(CountIdle(), 0u);
  poller_->Arm(fd.get(), kRead);
  Until(1, kReadable);
  eventfd_t count = 0;
  ASSERT_EQ(eventfd_read(fd.get(), &count), 0);
  EXPECT_LE(CountIdle(), 1u);
  ASSERT_EQ(eventfd_write(fd.get(), 1), 0);
  Until(1, kReadable);
  ForgetNow(fd.get(), 1, Forgetting::kClosing);
}

// See WriteBlockedBehindAFin.
TEST_P(PollerContract, LevelRoomBehindAFin) {
  const Pair pair = TcpPair();
  shutdown(pair.far.get(), SHUT_WR);
  EXPECT_EQ(AwaitEnd(pair.near.get()), 0);
  Add(pair.near.get(), 1, FdKind::kLevel);
  poller_->Arm(pair.near.get(), kWrite);
  for (int i = 0; i < 5; ++i) Until(1, kWritable);
  Fill(pair.near.get());
  EXPECT_LE(CountIdle(), 1u);
  DrainAll(pair.far.get());
  for (int i = 0; i < 5; ++i) Until(1, kWritable);
  ForgetNow(pair.near.get(), 1, Forgetting::kClosing);
}

TEST_P(PollerContract, LevelWithNothingArmedIsQuietAfterHangup) {
  Pair pair = UnixPair();
  Add(pair.near.get(), 1, FdKind::kLevel);
  poller_->Arm(pair.near.get(), kRead);
  EXPECT_EQ(CountIdle(), 0u);
  poller_->Arm(pair.near.get(), 0);
  pair.far.Reset();
  EXPECT_EQ(CountIdle(), 0u);
  poller_->Arm(pair.near.get(), kRead);
  for (int i = 0; i < 3; ++i) Until(1, kReadable);
  poller_->Arm(pair.near.get(), 0);
  EXPECT_EQ(CountIdle(), 0u);
}

TEST_P(PollerContract, ListenerSharedByTwoPollers) {
  sockaddr_in address;
  const UniqueFd listener = Listen(8, &address);
  std::unique_ptr<Poller> others[] = {std::move(*MakePoller(GetParam())),
                                      std::move(*MakePoller(GetParam()))};
  for (const std::unique_ptr<Poller>& other : others) {
    ASSERT_EQ(other->Add(listener.get(), 1, FdKind::kSharedListener), 0);
    other->Arm(listener.get(), kRead);
  }
  auto look = [&] {
    return WaitOn(others[0].get(), Duration::zero()).size() +
           WaitOn(others[1].get(), Duration::zero()).size();
  };
  EXPECT_EQ(look(), 0u);
  const UniqueFd client = Connect(address);
  pollfd ready = {listener.get(), POLLIN, 0};
  ASSERT_EQ(poll(&ready, 1, -1), 1);
  EXPECT_GE(look(), 1u);  // one of them or both
  EXPECT_TRUE(UniqueFd(accept(listener.get(), nullptr, nullptr)).valid());
  look();
  EXPECT_EQ(look(), 0u);
  // One of them gives it up: it hears of nothing that follows, though the
  // descriptor lives on, and the other of all.
  if (!others[0]->Forget(listener.get(), Forgetting::kClosing)) {
    const std::vector<PollEvent> events = WaitOn(others[0].get(), kBound);
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].ready, kForgotten);
  }
  const UniqueFd next = Connect(address);
  EXPECT_EQ(WaitOn(others[1].get(), kBound).size(), 1u);
  EXPECT_TRUE(WaitOn(others[0].get(), Duration::zero()).empty());
  EXPECT_EQ(WaitOn(others[1].get(), kBound).size(), 1u);  // level-triggered
}

INSTANTIATE_TEST_SUITE_P(All, PollerContract, testing::ValuesIn(kAllPollers),
                         TestName);

}  // namespace
}  // namespace weir
