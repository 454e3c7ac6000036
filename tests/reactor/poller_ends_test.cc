// How a poller shows ends, errors, hang-ups and urgent marks.

#include <errno.h>
#include <sys/socket.h>

#include <cstdint>
#include <utility>

#include "gtest/gtest.h"
#include "reactor/poller.h"
#include "tests/reactor/poller_test_util.h"

namespace weir {
namespace {

TEST_P(PollerContract, AFiredDirectionDoesNotSpinOnHangup) {
  Pair pair = TcpPair();
  Add(pair.near.get(), 1, FdKind::kTcp);
  poller_->Arm(pair.near.get(), kRead | kWrite | kHangup);
  Reset(std::move(pair.far));
  Until(1, IsSelect() ? kReadable : kEnded);
  CountIdle();  // what the other directions have to say
  EXPECT_EQ(CountIdle(), 0u);
}

TEST_P(PollerContract, HangupWithNothingElseArmed) {
  Pair pair = TcpPair();
  Add(pair.near.get(), 1, FdKind::kTcp);
  poller_->Arm(pair.near.get(), kHangup);
  EXPECT_EQ(CountIdle(), 0u);
  Reset(std::move(pair.far));
  if (IsSelect()) {
    // select(2) has no set for it: the reset is seen when a direction is armed.
    EXPECT_EQ(CountIdle(), 0u);
    poller_->Arm(pair.near.get(), kRead);
    Until(1, kReadable);
  } else {
    Until(1, kEnded);
    EXPECT_EQ(CountIdle(), 0u);
  }
  EXPECT_EQ(Receive(pair.near), -ECONNRESET);
}

TEST_P(PollerContract, AFinIsNoHangup) {
  Pair pair = TcpPair();
  Add(pair.near.get(), 1, FdKind::kTcp);
  poller_->Arm(pair.near.get(), kHangup);
  EXPECT_EQ(CountIdle(), 0u);
  shutdown(pair.far.get(), SHUT_WR);
  EXPECT_LE(CountIdle(), IsEpoll() ? 1u : 0u);
  EXPECT_EQ(CountIdle(), 0u);
  if (IsSelect()) return;  // see HangupWithNothingElseArmed
  Reset(std::move(pair.far));
  Until(1, kEnded);
  CountIdle();
  EXPECT_EQ(CountIdle(), 0u);
}

TEST_P(PollerContract, HangupStaysArmedBesideReads) {
  Pair pair = TcpPair();
  Add(pair.near.get(), 1, FdKind::kTcp);
  poller_->Arm(pair.near.get(), kRead | kHangup);
  SendBytes(pair.far, 1);
  EXPECT_EQ(Until(1, kReadable) & kEnded, 0);
  EXPECT_EQ(CountIdle(), 0u);
  Reset(std::move(pair.far));
  if (IsSelect()) {
    EXPECT_EQ(CountIdle(), 0u);
  } else {
    Until(1, kEnded);
  }
}

TEST_P(PollerContract, ResetWhileBackPressured) {
  Pair pair = TcpPair();
  Add(pair.near.get(), 1, FdKind::kTcp);
  SendBytes(pair.far, 1000);
  AwaitBytes(pair.near.get(), 1000);
  CountIdle();
  poller_->Arm(pair.near.get(), kHangup);
  EXPECT_EQ(CountIdle(), 0u);
  Reset(std::move(pair.far));
  if (IsSelect()) {
    EXPECT_EQ(CountIdle(), 0u);
    poller_->Arm(pair.near.get(), kRead);
    Until(1, kReadable);
  } else {
    Until(1, kEnded);
  }
  EXPECT_EQ(Receive(pair.near), 1000);
  EXPECT_EQ(Receive(pair.near), -ECONNRESET);
}

TEST_P(PollerContract, ErrorWhileReading) {
  Pair pair = TcpPair();
  Add(pair.near.get(), 1, FdKind::kTcp);
  poller_->Arm(pair.near.get(), kRead);
  EXPECT_EQ(CountIdle(), 0u);
  Reset(std::move(pair.far));
  const Ready ready = Until(1, kReadable | kEnded);
  if (!IsSelect()) {
    EXPECT_NE(ready & kEnded, 0);
  }
  EXPECT_EQ(Receive(pair.near), -ECONNRESET);
}

// A FIN cannot be masked on io_uring: a plain poll for room would spin.
TEST_P(PollerContract, WriteBlockedBehindAFin) {
  const Pair pair = TcpPair();
  Add(pair.near.get(), 1, FdKind::kTcp);
  shutdown(pair.far.get(), SHUT_WR);
  EXPECT_EQ(AwaitEnd(pair.near.get()), 0);
  for (int i = 0; i < 3; ++i) {
    Fill(pair.near.get());
    CountIdle();
    poller_->Arm(pair.near.get(), kWrite);
    EXPECT_EQ(CountIdle(), 0u);
    DrainAll(pair.far.get());
    Until(1, kWritable);
    CountIdle();
    EXPECT_EQ(CountIdle(), 0u);
  }
  ForgetNow(pair.near.get(), 1, Forgetting::kKeeping);
}

TEST_P(PollerContract, FinArrivesWhileAWriteIsArmed) {
  const Pair pair = TcpPair();
  Add(pair.near.get(), 1, FdKind::kTcp);
  Fill(pair.near.get());
  CountIdle();
  poller_->Arm(pair.near.get(), kWrite);
  EXPECT_EQ(CountIdle(), 0u);
  shutdown(pair.far.get(), SHUT_WR);
  EXPECT_LE(CountIdle(), IsEpoll() ? 1u : 0u);
  DrainAll(pair.far.get());
  Until(1, kWritable);
}

TEST_P(PollerContract, FinBehindAShortRead) {
  for (const bool together : {true, false}) {
    const Pair pair = TcpPair();
    const uint64_t token = together ? 1 : 2;
    Add(pair.near.get(), token, FdKind::kTcp);
    poller_->Arm(pair.near.get(), kRead);
    SendBytes(pair.far, 10);
    if (together) shutdown(pair.far.get(), SHUT_WR);
    Ready ready = Until(token, kReadable);
    if (!together) shutdown(pair.far.get(), SHUT_WR);
    EXPECT_EQ(Receive(pair.near), 10);
    if ((ready & kEof) == 0) {
      poller_->Arm(pair.near.get(), kRead);
      ready = Until(token, kReadable | kEof);
      if (!IsSelect()) {
        EXPECT_NE(ready & kEof, 0);
      }
    }
    EXPECT_EQ(Receive(pair.near), 0);
    ForgetNow(pair.near.get(), token, Forgetting::kClosing);
  }
}

TEST_P(PollerContract, UrgentMarkIsAHint) {
  const Pair pair = TcpPair();
  const int on = 1;
  ASSERT_EQ(
      setsockopt(pair.near.get(), SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)),
      0);
  Add(pair.near.get(), 1, FdKind::kTcp);
  poller_->Arm(pair.near.get(), kRead);
  SendBytes(pair.far, 1, MSG_OOB);
  // io_uring cannot tell a mark from data, and says neither (poller.h).
  const Ready hint = GetParam() == PollerKind::kIoUring ? kReadable : kUrgent;
  EXPECT_EQ(Until(1, hint) & (hint | kUrgent), hint);
  EXPECT_EQ(CountIdle(), 0u);
  EXPECT_EQ(Receive(pair.near), 1);
  poller_->Arm(pair.near.get(), kRead);
  EXPECT_EQ(CountIdle(), 0u);
}

INSTANTIATE_TEST_SUITE_P(All, PollerContract, testing::ValuesIn(kAllPollers),
                         TestName);

}  // namespace
}  // namespace weir
