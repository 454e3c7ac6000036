// Forget(), and descriptors whose number is taken again.

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "reactor/fd.h"
#include "reactor/poller.h"
#include "tests/reactor/poller_test_util.h"

namespace weir {
namespace {

TEST_P(PollerContract, NumberReusedWithinABatch) {
  const Pair first = TcpPair();
  Pair second = TcpPair();
  for (const Pair* pair : {&first, static_cast<const Pair*>(&second)}) {
    SendBytes(pair->far, 1);
    AwaitBytes(pair->near.get(), 1);
  }
  ASSERT_EQ(poller_->Add(first.near.get(), 1, FdKind::kTcp), 0);
  ASSERT_EQ(poller_->Add(second.near.get(), 2, FdKind::kTcp), 0);
  poller_->Arm(first.near.get(), kRead);
  poller_->Arm(second.near.get(), kRead);
  ASSERT_EQ(Look(kBound).size(), 2u);
  // The handler of the first event closes the second descriptor, and what is
  // opened next gets its number.
  const int number = second.near.get();
  ForgetNow(number, 2, Forgetting::kClosing);
  Pair third = TcpPair();
  ASSERT_EQ(dup3(third.near.get(), number, O_CLOEXEC), number);
  third.near = std::exchange(second.near, UniqueFd());
  ASSERT_EQ(poller_->Add(number, 3, FdKind::kTcp), 0);
  poller_->Arm(number, kRead);
  SendBytes(third.far, 1);
  Ready ready = 0;
  while ((ready & kReadable) == 0) {
    const std::vector<PollEvent> events = Look(kBound);
    ASSERT_FALSE(events.empty());
    for (const PollEvent& event : events) {
      EXPECT_NE(event.token, 2u);
      if (event.token == 3) ready |= event.ready;
    }
  }
}

TEST_P(PollerContract, ForgottenReportsNothing) {
  const Pair pair = TcpPair();
  Add(pair.near.get(), 1, FdKind::kTcp);
  poller_->Arm(pair.near.get(), kRead | kHangup);
  EXPECT_EQ(CountIdle(), 0u);
  SendBytes(pair.far, 1);
  AwaitBytes(pair.near.get(), 1);
  ForgetNow(pair.near.get(), 1, Forgetting::kKeeping);
  shutdown(pair.far.get(), SHUT_WR);
  EXPECT_EQ(CountIdle(), 0u);
}

TEST_P(PollerContract, ArmedAndForgottenInOneRound) {
  const Pair pair = TcpPair();
  SendBytes(pair.far, 1);
  ASSERT_EQ(poller_->Add(pair.near.get(), 1, FdKind::kTcp), 0);
  poller_->Arm(pair.near.get(), kRead | kWrite | kHangup);
  ForgetNow(pair.near.get(), 1, Forgetting::kKeeping);
  // At once again, and only its events come.
  ASSERT_EQ(poller_->Add(pair.near.get(), 2, FdKind::kTcp), 0);
  poller_->Arm(pair.near.get(), kRead);
  const std::vector<PollEvent> events = Look(kBound);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].token, 2u);
}

TEST_P(PollerContract, KeptAndAddedAgainReportsWhatIsPending) {
  const Pair pair = TcpPair();
  Add(pair.near.get(), 1, FdKind::kTcp);
  poller_->Arm(pair.near.get(), kRead);
  SendBytes(pair.far, 1);
  Until(1, kReadable);
  ForgetNow(pair.near.get(), 1, Forgetting::kKeeping);
  ASSERT_EQ(poller_->Add(pair.near.get(), 2, FdKind::kTcp), 0);
  poller_->Arm(pair.near.get(), kRead | kWrite);
  Ready ready = 0;
  for (const PollEvent& event : Look(kBound)) {
    EXPECT_EQ(event.token, 2u);
    ready |= event.ready;
  }
  EXPECT_EQ(ready, kReadable | kWritable);
}

TEST_P(PollerContract, ForgetBeforeCloseShowsThePeerTheFin) {
  Pair pair = TcpPair();
  Add(pair.near.get(), 1, FdKind::kTcp);
  poller_->Arm(pair.near.get(), kRead | kHangup);
  EXPECT_EQ(CountIdle(), 0u);  // a poll is in the kernel now
  ForgetNow(pair.near.get(), 1, Forgetting::kClosing);
  pair.near.Reset();
  EXPECT_EQ(AwaitEnd(pair.far.get()), 0);
}

TEST_P(PollerContract, ForgetBeforeCloseShowsThePeerTheReset) {
  Pair pair = TcpPair();
  Add(pair.near.get(), 1, FdKind::kTcp);
  Fill(pair.near.get());
  CountIdle();
  poller_->Arm(pair.near.get(), kWrite | kHangup);
  EXPECT_EQ(CountIdle(), 0u);
  ForgetNow(pair.near.get(), 1, Forgetting::kClosing);
  Reset(std::move(pair.near));
  EXPECT_EQ(AwaitEnd(pair.far.get()), -ECONNRESET);
}

TEST_P(PollerContract, ForgetBehindAFinWithEverythingArmed) {
  Pair pair = TcpPair();
  Add(pair.near.get(), 1, FdKind::kTcp);
  shutdown(pair.far.get(), SHUT_WR);
  EXPECT_EQ(AwaitEnd(pair.near.get()), 0);
  Fill(pair.near.get());
  poller_->Arm(pair.near.get(), kHangup);
  CountIdle();
  poller_->Arm(pair.near.get(), kWrite);
  CountIdle();
  ForgetNow(pair.near.get(), 1, Forgetting::kClosing);
  Reset(std::move(pair.near));
  EXPECT_EQ(AwaitEnd(pair.far.get()), -ECONNRESET);
}

INSTANTIATE_TEST_SUITE_P(All, PollerContract, testing::ValuesIn(kAllPollers),
                         TestName);

}  // namespace
}  // namespace weir
