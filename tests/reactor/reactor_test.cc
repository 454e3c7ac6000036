#include "reactor/reactor.h"

#include <sys/eventfd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "reactor/clock.h"
#include "reactor/fd.h"
#include "reactor/poller.h"
#include "reactor/timer_wheel.h"
#include "tests/support/manual_clock.h"

namespace weir {
namespace {

using std::chrono::milliseconds;
using Log = std::vector<std::string>;

struct Event final : EventHandler {
  explicit Event(std::function<void()> f) : act(std::move(f)) {}
  void OnReady(Ready) noexcept override { act(); }
  std::function<void()> act;
};

struct Turn final : Runnable {
  explicit Turn(std::function<void()> f) : act(std::move(f)) {}
  void Run() noexcept override { act(); }
  std::function<void()> act;
};

struct Alarm final : Timer {
  explicit Alarm(std::function<void()> f) : act(std::move(f)) {}
  void OnTimer() noexcept override { act(); }
  std::function<void()> act;
};

struct Freed final : Retired {
  explicit Freed(Log* l) : log(l) {}
  ~Freed() override { log->push_back("free"); }
  Log* log;
};

// Readable from the start, for ever.
UniqueFd ReadyFd() { return UniqueFd(::eventfd(1, EFD_CLOEXEC)); }

class ReactorTest : public testing::TestWithParam<PollerKind> {
 protected:
  void SetUp() override {
    auto poller = MakePoller(GetParam());
    ASSERT_TRUE(poller.ok()) << poller.status();
    reactor_ = std::make_unique<Reactor>(
        Reactor::Options{.clock = &clock_, .poller = *std::move(poller)});
  }

  Reactor::Registration Watch(int fd, EventHandler* handler) {
    const auto registration = reactor_->Register(fd, FdKind::kLevel, handler);
    EXPECT_EQ(registration.error, 0);
    reactor_->Arm(registration.handle, kRead);
    return registration;
  }

  ManualClock clock_;
  std::unique_ptr<Reactor> reactor_;
  Log log_;
};

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
    if (GetParam() == PollerKind::kIoUring) return;    // still on its way out
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

TEST_P(ReactorTest, StopAndPostFromAnotherThread) {
  std::thread loop([&] { reactor_->Run(); });
  std::atomic<int> ran{0};
  for (int i = 0; i < 100; ++i) {
    reactor_->Post([&] { ++ran; });
  }
  // The last task stops it: an endless wait was woken each time.
  reactor_->Post([&] { reactor_->Stop(); });
  loop.join();
  EXPECT_EQ(ran, 100);
}

INSTANTIATE_TEST_SUITE_P(All, ReactorTest, testing::ValuesIn(kAllPollers),
                         [](const auto& param) {
                           return std::string(PollerName(param.param));
                         });

}  // namespace
}  // namespace weir
