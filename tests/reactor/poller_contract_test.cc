// What reactor/poller.h promises, on each poller: readiness and its limits. The
// tests of ends, of Forget(), of kinds of descriptors and of waits are in files
// of their own.

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>

#include <climits>
#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "reactor/clock.h"
#include "reactor/fd.h"
#include "reactor/poller.h"
#include "tests/reactor/poller_test_util.h"

namespace weir {
namespace {

TEST_P(PollerContract, NameIsThatOfItsKind) {
  EXPECT_EQ(poller_->name(), PollerName(GetParam()));
}

TEST_P(PollerContract, Readable) {
  const Pair pair = TcpPair();
  Add(pair.near.get(), 1, FdKind::kTcp);
  poller_->Arm(pair.near.get(), kRead);
  EXPECT_EQ(CountIdle(), 0u);
  SendBytes(pair.far, 1);
  EXPECT_NE(Until(1, kReadable) & kReadable, 0);
}

TEST_P(PollerContract, ReadableBeforeAdd) {
  const Pair pair = TcpPair();
  SendBytes(pair.far, 1);
  AwaitBytes(pair.near.get(), 1);
  ASSERT_EQ(poller_->Add(pair.near.get(), 1, FdKind::kTcp), 0);
  poller_->Arm(pair.near.get(), kRead);
  const std::vector<PollEvent> events = Look(kBound);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_NE(events[0].ready & kReadable, 0);
}

TEST_P(PollerContract, Writable) {
  const Pair pair = TcpPair();
  ASSERT_EQ(poller_->Add(pair.near.get(), 1, FdKind::kTcp), 0);
  poller_->Arm(pair.near.get(), kWrite);
  const Ready ready = Until(1, kWritable);
  EXPECT_EQ(ready, kWritable);
}

TEST_P(PollerContract, WritableWhenThePeerMadeRoom) {
  const Pair pair = TcpPair();
  Add(pair.near.get(), 1, FdKind::kTcp);
  for (int i = 0; i < 3; ++i) {
    Fill(pair.near.get());
    CountIdle();  // on epoll, edges that came while it filled
    poller_->Arm(pair.near.get(), kWrite);
    EXPECT_EQ(CountIdle(), 0u);
    DrainAll(pair.far.get());
    Until(1, kWritable);
  }
}

TEST_P(PollerContract, BothDirections) {
  const Pair pair = TcpPair();
  SendBytes(pair.far, 1);
  AwaitBytes(pair.near.get(), 1);
  ASSERT_EQ(poller_->Add(pair.near.get(), 1, FdKind::kTcp), 0);
  poller_->Arm(pair.near.get(), kRead | kWrite);
  Ready ready = 0;
  for (const PollEvent& event : Look(kBound)) ready |= event.ready;
  EXPECT_EQ(ready, kReadable | kWritable);
}

TEST_P(PollerContract, AnEventDisarmsTheDirectionThatItFires) {
  const Pair pair = TcpPair();
  Add(pair.near.get(), 1, FdKind::kTcp);
  Fill(pair.near.get());
  CountIdle();
  poller_->Arm(pair.near.get(), kRead | kWrite);
  SendBytes(pair.far, 1);
  EXPECT_EQ(Until(1, kReadable) & kWritable, 0);
  EXPECT_EQ(CountIdle(), 0u);  // the byte is still there
  DrainAll(pair.far.get());
  Until(1, kWritable);  // still armed
}

TEST_P(PollerContract, NothingArmedReportsNothing) {
  const Pair pair = TcpPair();
  Add(pair.near.get(), 1, FdKind::kTcp);
  SendBytes(pair.far, 1);
  AwaitBytes(pair.near.get(), 1);
  // On epoll, one spurious event an edge.
  EXPECT_LE(CountIdle(), IsEpoll() ? 1u : 0u);
  shutdown(pair.far.get(), SHUT_WR);
  shutdown(pair.near.get(), SHUT_WR);
  EXPECT_EQ(AwaitEnd(pair.far.get()), 0);
  EXPECT_LE(CountIdle(), IsEpoll() ? 4u : 0u);
  EXPECT_EQ(CountIdle(), 0u);
}

TEST_P(PollerContract, SpuriousEventIsHarmless) {
  const Pair pair = TcpPair();
  Add(pair.near.get(), 1, FdKind::kTcp);
  for (int i = 0; i < 3; ++i) {
    poller_->Arm(pair.near.get(), kRead);
    SendBytes(pair.far, 10);
    Until(1, kReadable);
    EXPECT_EQ(Receive(pair.near), 10);  // another reader
    EXPECT_EQ(Receive(pair.near), -EAGAIN);
    poller_->Arm(pair.near.get(), kRead);
    EXPECT_EQ(CountIdle(), 0u);
    SendBytes(pair.far, 10);
    AwaitBytes(pair.near.get(), 10);
    EXPECT_EQ(Receive(pair.near), 10);
    // The kernel may or may not tell of what is gone.
    EXPECT_LE(CountIdle(), 1u);
  }
}

TEST_P(PollerContract, ManyReadyComeInBatchesAndNobodyStarves) {
  // More than io_uring has room for in one submission, and two polls each are
  // more than its completion ring holds.
  const size_t count = IsSelect() ? 300 : 5000;
  ASSERT_TRUE(AllowDescriptors(count + 100));
  std::vector<UniqueFd> fds;
  for (size_t i = 0; i < count; ++i) {
    fds.emplace_back(eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC));
    ASSERT_TRUE(fds.back().valid());
    ASSERT_EQ(poller_->Add(fds.back().get(), i, FdKind::kLevel), 0);
    poller_->Arm(fds.back().get(), kRead | kWrite);
  }
  std::set<uint64_t> readable;
  std::set<uint64_t> writable;
  const size_t batches = 2 * (count / Poller::kMaxEvents + 1);
  for (size_t i = 0; i < batches; ++i) {
    const std::vector<PollEvent> events = Look(kBound);
    EXPECT_EQ(events.size(), size_t{Poller::kMaxEvents});
    for (const PollEvent& event : events) {
      if ((event.ready & kReadable) != 0) readable.insert(event.token);
      if ((event.ready & kWritable) != 0) writable.insert(event.token);
    }
  }
  EXPECT_EQ(readable.size(), count);
  EXPECT_EQ(writable.size(), count);
  for (size_t i = 0; i < count; ++i) {
    if (poller_->Forget(fds[i].get(), Forgetting::kClosing)) fds[i].Reset();
  }
  for (size_t i = 0; i < batches; ++i) {
    for (const PollEvent& event : Look(Duration::zero())) {
      EXPECT_EQ(event.ready, kForgotten);
      EXPECT_TRUE(fds[event.token].valid());
      fds[event.token].Reset();
    }
  }
  for (const UniqueFd& fd : fds) EXPECT_FALSE(fd.valid());
  EXPECT_EQ(CountIdle(), 0u);
}

TEST_P(PollerContract, DescriptorLimit) {
  EXPECT_EQ(poller_->fd_limit(), IsSelect() ? FD_SETSIZE : INT_MAX);
  ASSERT_TRUE(AllowDescriptors(FD_SETSIZE + 100));
  const UniqueFd low(eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC));
  const UniqueFd high(fcntl(low.get(), F_DUPFD_CLOEXEC, FD_SETSIZE));
  ASSERT_TRUE(high.valid());
  EXPECT_EQ(poller_->Add(high.get(), 1, FdKind::kLevel),
            IsSelect() ? EMFILE : 0);
  const UniqueFd last(fcntl(low.get(), F_DUPFD_CLOEXEC, FD_SETSIZE - 1));
  ASSERT_EQ(last.get(), FD_SETSIZE - 1);
  ASSERT_EQ(poller_->Add(last.get(), 2, FdKind::kLevel), 0);
  poller_->Arm(last.get(), kRead);
  Until(2, kReadable);
}

INSTANTIATE_TEST_SUITE_P(All, PollerContract, testing::ValuesIn(kAllPollers),
                         TestName);

}  // namespace
}  // namespace weir
