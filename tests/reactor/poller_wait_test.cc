// The waits and wake-ups that reactor/poller.h promises, on each poller.

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <latch>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "reactor/clock.h"
#include "reactor/poller.h"
#include "tests/reactor/poller_test_util.h"

namespace weir {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

class PollerWait : public PollerContract {
 protected:
  // A thread that never used another test's io_uring is not interrupted when
  // the kernel takes that ring down, so its waits end early for no such reason.
  static void OnFreshThread(const std::function<void()>& body) {
    std::thread(body).join();
  }

  // How long one Wait(timeout) took, which must report nothing.
  Duration Elapsed(Duration timeout) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_TRUE(Look(timeout).empty());
    return std::chrono::steady_clock::now() - start;
  }
};

TEST_P(PollerWait, ZeroReturnsAtOnce) {
  EXPECT_LT(Elapsed(Duration::zero()), kBound);
  EXPECT_LT(Elapsed(Duration(-1)), kBound);
}

TEST_P(PollerWait, FiniteIsNeverEarly) {
  OnFreshThread([&] {
    for (const Duration timeout :
         {Duration(1), Duration(1001), Duration(microseconds(300)),
          Duration(microseconds(1700)), Duration(milliseconds(20)),
          Duration(milliseconds(30))}) {
      EXPECT_GE(Elapsed(timeout), timeout);
    }
  });
}

TEST_P(PollerWait, AShorterOneFollowsALongerOne) {
  OnFreshThread([&] {
    for (const Duration longer :
         {Duration(std::chrono::hours(1)), Duration(milliseconds(50))}) {
      poller_->Wake();
      EXPECT_LT(Elapsed(longer), kBound);
      // The longer one is over some time too, and may end this one early.
      const auto start = std::chrono::steady_clock::now();
      for (auto now = start; now < start + milliseconds(30);
           now = std::chrono::steady_clock::now()) {
        EXPECT_LT(Elapsed(start + milliseconds(30) - now), kBound);
      }
    }
  });
}

TEST_P(PollerWait, ALongerOneFollowsAShorterOne) {
  OnFreshThread([&] {
    poller_->Wake();
    EXPECT_LT(Elapsed(milliseconds(30)), kBound);
    const auto start = std::chrono::steady_clock::now();
    int waits = 0;
    for (auto now = start; now < start + milliseconds(60);
         now = std::chrono::steady_clock::now()) {
      EXPECT_LT(Elapsed(start + milliseconds(60) - now), kBound);
      ++waits;
    }
    // It does not spin between the two times.
    EXPECT_LE(waits, 10);
  });
}

TEST_P(PollerWait, LongIsLong) {
  // A time that overflowed would end the wait before the thread has started.
  OnFreshThread([&] {
    for (int i = 0; i < 20; ++i) {
      std::atomic<bool> woken{false};
      std::thread other([&] {
        woken = true;
        poller_->Wake();
      });
      EXPECT_TRUE(Look(kForever - Duration(1)).empty());
      EXPECT_TRUE(woken);
      other.join();
    }
  });
}

TEST_P(PollerWait, WakeBeforeTheWait) {
  OnFreshThread([&] {
    poller_->Wake();
    EXPECT_LT(Elapsed(kForever), kBound);
  });
}

TEST_P(PollerWait, WakeDuringTheWait) {
  OnFreshThread([&] {
    // Whether the other thread is early or late, each Wake() ends a wait.
    for (int i = 0; i < 100; ++i) {
      std::latch started(2);
      std::thread other([&] {
        started.arrive_and_wait();
        poller_->Wake();
      });
      started.arrive_and_wait();
      EXPECT_TRUE(Look(kForever).empty());
      other.join();
    }
  });
}

TEST_P(PollerWait, WakesMergeIntoOne) {
  OnFreshThread([&] {
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < 1000; ++i) poller_->Wake();
      EXPECT_LT(Elapsed(kForever), kBound);
      EXPECT_GE(Elapsed(milliseconds(20)), milliseconds(20));
    }
  });
}

TEST_P(PollerWait, NoWakeOfManyThreadsIsLost) {
  constexpr int kThreads = 4;
  constexpr int kWakes = 2000;
  std::atomic<int> sum{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < kWakes; ++j) {
        sum.fetch_add(1, std::memory_order_relaxed);
        poller_->Wake();
      }
    });
  }
  // A lost wake-up leaves this waiting for ever.
  while (sum.load(std::memory_order_relaxed) < kThreads * kWakes) {
    EXPECT_TRUE(Look(kForever).empty());
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_P(PollerWait, WhatWasWrittenBeforeAWakeIsSeen) {
  OnFreshThread([&] {
    for (int i = 0; i < 100; ++i) {
      int written = 0;  // not atomic: the wake-up orders it
      std::thread other([&] {
        written = 1;
        poller_->Wake();
      });
      EXPECT_TRUE(Look(kForever).empty());
      EXPECT_EQ(written, 1);
      other.join();
    }
  });
}

TEST_P(PollerWait, ASignalEndsAWait) {
  struct sigaction nothing = {};
  nothing.sa_handler = [](int) {};
  nothing.sa_flags = 0;  // no SA_RESTART
  struct sigaction before = {};
  ASSERT_EQ(sigaction(SIGUSR2, &nothing, &before), 0);
  std::atomic<bool> returned{false};
  std::vector<PollEvent> events;
  std::thread loop([&] {
    poller_->Wait(kForever, &events);
    returned = true;
  });
  // One that comes before the wait is lost, so they come again; not so often
  // that the thread does nothing else.
  while (!returned) {
    EXPECT_EQ(pthread_kill(loop.native_handle(), SIGUSR2), 0);
    for (int i = 0; i < 1000 && !returned; ++i) std::this_thread::yield();
  }
  loop.join();
  EXPECT_TRUE(events.empty());
  EXPECT_EQ(sigaction(SIGUSR2, &before, nullptr), 0);
}

TEST_P(PollerWait, BuiltOnAnotherThread) {
  const Pair pair = TcpPair();
  Ready ready = 0;
  ASSERT_EQ(poller_->Add(pair.near.get(), 1, FdKind::kTcp), 0);
  poller_->Arm(pair.near.get(), kWrite);
  std::thread loop([&] { ready = Until(1, kWritable); });
  loop.join();
  EXPECT_EQ(ready, kWritable);
}

INSTANTIATE_TEST_SUITE_P(All, PollerWait, testing::ValuesIn(kAllPollers),
                         TestName);

}  // namespace
}  // namespace weir
