#include "reactor/signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reactor/clock.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// Only a failing test waits as long.
constexpr Duration kPatience = std::chrono::seconds(30);

// On each poller that this kernel has.
class SignalsTest : public testing::TestWithParam<PollerKind> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(BlockSignals().ok());
    auto poller = MakePoller(GetParam());
    if (!poller.ok()) GTEST_SKIP() << poller.status().ToString();
    Reactor::Options options;
    options.poller = *std::move(poller);
    reactor_ = std::make_unique<Reactor>(std::move(options));
    watcher_ = Watch();
  }

  std::unique_ptr<SignalWatcher> Watch() {
    auto watcher = SignalWatcher::Create(
        *reactor_, [this](int signal) { seen_.push_back(signal); });
    EXPECT_TRUE(watcher.ok()) << watcher.status().ToString();
    return watcher.ok() ? *std::move(watcher) : nullptr;
  }

  std::vector<int> seen_;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<SignalWatcher> watcher_;
};

TEST_P(SignalsTest, ReachTheCallbackOnTheLoop) {
  reactor_->RunOnce(Duration::zero());
  EXPECT_THAT(seen_, IsEmpty());
  ASSERT_EQ(kill(getpid(), SIGTERM), 0);
  EXPECT_THAT(seen_, IsEmpty());  // not before the loop looks
  reactor_->RunOnce(kPatience);
  EXPECT_THAT(seen_, ElementsAre(SIGTERM));
}

TEST_P(SignalsTest, AllFourAreWatchedAndBurstsCoalesce) {
  for (const int signal : {SIGHUP, SIGUSR1, SIGINT, SIGTERM, SIGHUP, SIGHUP}) {
    ASSERT_EQ(kill(getpid(), signal), 0);
  }
  reactor_->RunOnce(kPatience);
  EXPECT_THAT(seen_, UnorderedElementsAre(SIGHUP, SIGUSR1, SIGINT, SIGTERM));
  // A second signal is a second call: "again stops now" depends on it.
  ASSERT_EQ(kill(getpid(), SIGTERM), 0);
  reactor_->RunOnce(kPatience);
  EXPECT_EQ(seen_.size(), 5u);
  EXPECT_EQ(seen_.back(), SIGTERM);
}

TEST_P(SignalsTest, StayBlockedWithoutAWatcher) {
  watcher_.reset();
  reactor_->RunOnce(Duration::zero());
  ASSERT_EQ(kill(getpid(), SIGINT), 0);
  reactor_->RunOnce(Duration::zero());
  EXPECT_THAT(seen_, IsEmpty());
  watcher_ = Watch();
  reactor_->RunOnce(kPatience);
  EXPECT_THAT(seen_, ElementsAre(SIGINT));
}

INSTANTIATE_TEST_SUITE_P(Pollers, SignalsTest, testing::ValuesIn(kAllPollers),
                         [](const auto& poller) {
                           return std::string(PollerName(poller.param));
                         });

TEST(BlockSignalsTest, ThreadsInheritIt) {
  ASSERT_TRUE(BlockSignals().ok());
  std::thread([] {
    sigset_t set;
    ASSERT_EQ(pthread_sigmask(SIG_BLOCK, nullptr, &set), 0);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) {
      EXPECT_EQ(sigismember(&set, signal), 1) << signal;
    }
    EXPECT_EQ(sigismember(&set, SIGSEGV), 0);
  }).join();
}

// As in the threads that glibc makes for SIGEV_THREAD.
TEST(BlockSignalsTest, ThreadThatDoesNotBlockHandsThemBack) {
  ASSERT_TRUE(BlockSignals().ok());
  std::thread([] {
    sigset_t none, all, pending;
    sigemptyset(&none);
    ASSERT_EQ(pthread_sigmask(SIG_SETMASK, &none, &all), 0);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, FileSignal()}) {
      ASSERT_EQ(kill(getpid(), signal), 0);  // comes here before it returns
      ASSERT_EQ(sigpending(&pending), 0);
      EXPECT_EQ(sigismember(&pending, signal), 1) << signal;
      const timespec at_once{};
      sigset_t one;
      sigemptyset(&one);
      sigaddset(&one, signal);
      EXPECT_EQ(sigtimedwait(&one, nullptr, &at_once), signal);
    }
  }).join();
}

TEST(BlockSignalsTest, WriteToADeadSocketIsAnErrno) {
  ASSERT_TRUE(BlockSignals().ok());
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  close(pair[1]);
  EXPECT_EQ(write(pair[0], "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  close(pair[0]);
}

}  // namespace
}  // namespace weir
