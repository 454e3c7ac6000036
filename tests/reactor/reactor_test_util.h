// For the tests of the reactor: handlers that call a function, and a reactor on
// each poller.

#ifndef TESTS_REACTOR_REACTOR_TEST_UTIL_H_
#define TESTS_REACTOR_REACTOR_TEST_UTIL_H_

#include <sys/eventfd.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "reactor/clock.h"
#include "reactor/fd.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"
#include "reactor/timer_wheel.h"
#include "tests/support/manual_clock.h"

namespace weir {

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
inline UniqueFd ReadyFd() { return UniqueFd(::eventfd(1, EFD_CLOEXEC)); }

// A reactor on each poller that this kernel has, driven by the test.
class ReactorTest : public testing::TestWithParam<PollerKind> {
 protected:
  void SetUp() override {
    auto poller = MakePoller(GetParam());
    if (absl::IsUnavailable(poller.status())) GTEST_SKIP() << poller.status();
    ASSERT_TRUE(poller.ok()) << poller.status();
    reactor_ = std::make_unique<Reactor>(
        Reactor::Options{.clock = clock(), .poller = *std::move(poller)});
  }

  // The reactor's.
  virtual Clock* clock() { return &clock_; }

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

}  // namespace weir

#endif  // TESTS_REACTOR_REACTOR_TEST_UTIL_H_
