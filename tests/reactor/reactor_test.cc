#include "reactor/reactor.h"

#include <sys/eventfd.h>

#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "reactor/clock.h"
#include "reactor/fd.h"
#include "reactor/poller.h"
#include "tests/reactor/poller_test_util.h"
#include "tests/reactor/reactor_test_util.h"

namespace weir {
namespace {

using std::chrono::milliseconds;

TEST_P(ReactorTest, TheOrderOfARound) {
  UniqueFd fd = ReadyFd();
  Event event([&] {
    log_.push_back("event");
    reactor_->Retire(std::make_unique<Freed>(&log_));
  });
  Alarm alarm([&] { log_.push_back("timer"); });
  Turn turn([&] { log_.push_back("turn"); });
  const auto watch = Watch(fd.get(), &event);
  reactor_->Post([&] { log_.push_back("task"); });
  reactor_->Enqueue(&turn);
  reactor_->Schedule(&alarm, clock_.Now());
  clock_.Advance(milliseconds(2));
  reactor_->RunOnce(Duration::zero());
  EXPECT_EQ(log_, (Log{"event", "timer", "turn", "task", "free"}));
  reactor_->Unregister(watch.handle, nullptr);
}

TEST_P(ReactorTest, WhatACallbackQueuesRunsInTheNextRound) {
  int turns = 0;
  int tasks = 0;
  Turn turn([&] {});
  turn.act = [&] {
    ++turns;
    reactor_->Enqueue(&turn);
    reactor_->Enqueue(&turn);  // queued already: nothing
    reactor_->Post([&] { ++tasks; });
  };
  reactor_->Enqueue(&turn);
  reactor_->RunOnce(Duration::zero());
  EXPECT_EQ(turns, 1);
  EXPECT_EQ(tasks, 0);
  reactor_->RunOnce();  // does not wait: there is work
  EXPECT_EQ(turns, 2);
  EXPECT_EQ(tasks, 1);
}

TEST_P(ReactorTest, TasksOfARoundAreBounded) {
  size_t ran = 0;
  for (size_t i = 0; i < Reactor::kTasksPerRound + 10; ++i) {
    reactor_->Post([&] { ++ran; });
  }
  reactor_->RunOnce(Duration::zero());
  EXPECT_EQ(ran, Reactor::kTasksPerRound);
  reactor_->RunOnce();
  EXPECT_EQ(ran, Reactor::kTasksPerRound + 10);
}

TEST_P(ReactorTest, RunnablesOfARoundAreBounded) {
  constexpr size_t kCount = 2 * Reactor::kRunnablesPerRound;
  size_t ran = 0;
  std::deque<Turn> turns;
  for (size_t i = 0; i < kCount; ++i) {
    reactor_->Enqueue(&turns.emplace_back([&] { ++ran; }));
  }
  reactor_->RunOnce(Duration::zero());
  EXPECT_EQ(ran, Reactor::kRunnablesPerRound);
  reactor_->RunOnce();  // does not wait: some are left
  EXPECT_EQ(ran, kCount);
}

TEST_P(ReactorTest, LeftRunnablesKeepTheirOrderBehindALook) {
  constexpr int kRound = static_cast<int>(Reactor::kRunnablesPerRound);
  constexpr int kLook = -1;
  std::vector<int> order;
  const UniqueFd fd = ReadyFd();
  Event event([&] { order.push_back(kLook); });
  const auto watch = Watch(fd.get(), &event);
  std::deque<Turn> turns;
  for (int i = 0; i < kRound + 2; ++i) {
    Turn& turn = turns.emplace_back([] {});
    turn.act = [&, i] {
      order.push_back(i);
      if (i == 0) reactor_->Enqueue(&turn);  // behind all of the others
    };
    reactor_->Enqueue(&turn);
  }
  reactor_->RunOnce(Duration::zero());
  reactor_->RunOnce(Duration::zero());

  std::vector<int> expected = {kLook};
  for (int i = 0; i < kRound; ++i) expected.push_back(i);
  expected.insert(expected.end(), {kLook, kRound, kRound + 1, 0});
  EXPECT_EQ(order, expected);
  reactor_->Unregister(watch.handle, nullptr);
}

// Who has much to do queues itself and leaves the others of the batch before
// it.
TEST_P(ReactorTest, ATurnComesBehindTheEventsOfItsRound) {
  std::vector<int> order;
  constexpr int kTurn = 1;
  constexpr int kEvent = 2;
  Turn turn([&] { order.push_back(kTurn); });
  Event event([&] {
    order.push_back(kEvent);
    reactor_->Enqueue(&turn);
  });
  const UniqueFd fds[] = {ReadyFd(), ReadyFd()};
  const Reactor::Registration watches[] = {Watch(fds[0].get(), &event),
                                           Watch(fds[1].get(), &event)};
  reactor_->RunOnce(Duration::zero());
  EXPECT_EQ(order, (std::vector<int>{kEvent, kEvent, kTurn}));
  for (const auto& watch : watches) {
    reactor_->Unregister(watch.handle, nullptr);
  }
}

// Two events of one batch: the first handler closes the second's descriptor,
// and number and slot are taken again at once.
TEST_P(ReactorTest, AnEventOfAClosedDescriptorIsDropped) {
  UniqueFd fds[] = {ReadyFd(), ReadyFd()};
  Reactor::Registration watches[2];
  int events = 0;
  int strangers = 0;
  Event stranger([&] { ++strangers; });
  Event first([] {});
  Event second([] {});
  const auto swap = [&](int self) {
    if (++events > 1) return;
    const int other = 1 - self;
    reactor_->Unregister(watches[other].handle, nullptr);
    fds[other].Reset();
    fds[other] = UniqueFd(::eventfd(0, EFD_CLOEXEC));  // never readable
    watches[other] = Watch(fds[other].get(), &stranger);
  };
  first.act = [&] { swap(0); };
  second.act = [&] { swap(1); };
  watches[0] = Watch(fds[0].get(), &first);
  watches[1] = Watch(fds[1].get(), &second);
  reactor_->RunOnce(Duration::zero());
  EXPECT_EQ(events, 1);
  EXPECT_EQ(strangers, 0);
}

TEST_P(ReactorTest, TimeIsConstantInARound) {
  MonoTime seen[2];
  Turn one([&] {
    seen[0] = reactor_->Now();
    clock_.Advance(milliseconds(5));
  });
  Turn two([&] { seen[1] = reactor_->Now(); });
  reactor_->Enqueue(&one);
  reactor_->Enqueue(&two);
  reactor_->RunOnce(Duration::zero());
  EXPECT_EQ(seen[0], seen[1]);
}

TEST_P(ReactorTest, CloseWhileArmedShowsThePeerTheFin) {
  Pair pair = TcpPair();
  Event event([] {});
  const auto watch = reactor_->Register(pair.near.get(), FdKind::kTcp, &event);
  ASSERT_EQ(watch.error, 0);
  reactor_->Arm(watch.handle, kRead | kHangup);
  reactor_->RunOnce(Duration::zero());  // a poll is in the kernel now
  reactor_->Close(watch.handle, std::move(pair.near));
  reactor_->RunOnce(Duration::zero());
  EXPECT_EQ(AwaitEnd(pair.far.get()), 0);
}

TEST_P(ReactorTest, UnregisteredWhileArmedMayRegisterAgain) {
  const Pair pair = TcpPair();
  Event old([] {});
  const auto watch = reactor_->Register(pair.near.get(), FdKind::kTcp, &old);
  ASSERT_EQ(watch.error, 0);
  reactor_->Arm(watch.handle, kRead | kHangup);
  reactor_->RunOnce(Duration::zero());
  old.act = [] { ADD_FAILURE() << "its registration is over"; };
  bool done = false;
  reactor_->Unregister(watch.handle, [&] { done = true; });
  if (GetParam() != PollerKind::kIoUring) {
    EXPECT_TRUE(done) << "not at once";
  }
  SendBytes(pair.far, 1);
  reactor_->RunOnce(Duration::zero());
  ASSERT_TRUE(done);

  bool came = false;
  Event event([&] { came = came || Receive(pair.near) == 1; });
  const auto again = reactor_->Register(pair.near.get(), FdKind::kTcp, &event);
  ASSERT_EQ(again.error, 0);
  reactor_->Arm(again.handle, kRead);
  reactor_->RunOnce(kBound);
  EXPECT_TRUE(came);
  reactor_->Unregister(again.handle, nullptr);
}

TEST_P(ReactorTest, ADestroyedRunnableIsNotRun) {
  auto queued = std::make_unique<Turn>([&] { log_.push_back("queued"); });
  reactor_->Enqueue(queued.get());
  queued.reset();
  // The turn of the second would come in the same round.
  auto second = std::make_unique<Turn>([&] { log_.push_back("second"); });
  Turn first([&] { second.reset(); });
  Turn third([&] { log_.push_back("third"); });
  reactor_->Enqueue(&first);
  reactor_->Enqueue(second.get());
  reactor_->Enqueue(&third);
  reactor_->RunOnce(Duration::zero());
  reactor_->RunOnce(Duration::zero());
  EXPECT_EQ(log_, Log{"third"});
}

TEST_P(ReactorTest, WhatADestructorRetiresIsFreedLater) {
  struct Outer final : Retired {
    Outer(Reactor* r, Log* l) : reactor(r), log(l) {}
    ~Outer() override {
      reactor->Retire(std::make_unique<Freed>(log));
      log->push_back("outer");
    }
    Reactor* reactor;
    Log* log;
  };
  reactor_->Retire(std::make_unique<Outer>(reactor_.get(), &log_));
  reactor_->RunOnce(Duration::zero());
  EXPECT_EQ(log_, Log{"outer"});
  reactor_->RunOnce(Duration::zero());
  EXPECT_EQ(log_, (Log{"outer", "free"}));
}

INSTANTIATE_TEST_SUITE_P(All, ReactorTest, testing::ValuesIn(kAllPollers),
                         TestName);

}  // namespace
}  // namespace weir
