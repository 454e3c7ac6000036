// What ends the waits of a loop, on the real clock and with other threads.

#include <atomic>
#include <chrono>
#include <thread>

#include "gtest/gtest.h"
#include "reactor/clock.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"
#include "tests/reactor/poller_test_util.h"
#include "tests/reactor/reactor_test_util.h"

namespace weir {
namespace {

class ReactorWait : public ReactorTest {
 protected:
  Clock* clock() override { return &Clock::Real(); }
};

TEST_P(ReactorWait, UntilTheNextTimer) {
  constexpr Duration kDelay = std::chrono::milliseconds(20);
  // On a thread that no other test's io_uring interrupts.
  std::thread([&] {
    bool fired = false;
    Alarm alarm([&] { fired = true; });
    const MonoTime start = clock()->Now();
    reactor_->Schedule(&alarm, start + kDelay);
    int rounds = 0;
    while (!fired) {
      reactor_->RunOnce();
      ++rounds;
    }
    EXPECT_GE(clock()->Now() - start, kDelay);
    // One for each cascade of the wheel; a loop that spins makes thousands.
    EXPECT_LE(rounds, 4);
  }).join();
}

TEST_P(ReactorWait, PostAndStopFromAnotherThread) {
  std::thread loop([&] { reactor_->Run(); });
  // Each post finds the loop in an endless wait, or on its way there.
  std::atomic<int> ran{0};
  for (int i = 0; i < 100; ++i) {
    reactor_->Post([&] {
      ++ran;
      ran.notify_one();
    });
    ran.wait(i);
  }
  EXPECT_EQ(ran, 100);
  reactor_->Stop();
  loop.join();
}

INSTANTIATE_TEST_SUITE_P(All, ReactorWait, testing::ValuesIn(kAllPollers),
                         TestName);

}  // namespace
}  // namespace weir
