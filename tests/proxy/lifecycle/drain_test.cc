#include "proxy/lifecycle/drain.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proxy/config/settings.h"
#include "proxy/observe/health.h"
#include "reactor/clock.h"
#include "reactor/mailbox.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"
#include "tests/support/manual_clock.h"

namespace weir {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

class DrainTest : public testing::Test {
 protected:
  void SetUp() override {
    auto poller = MakePoller(PollerKind::kEpoll);
    ASSERT_TRUE(poller.ok()) << poller.status();
    reactor_ = std::make_unique<Reactor>(
        Reactor::Options{.clock = &clock_, .poller = *std::move(poller)});
    health_.Set(Health::Phase::kReady);
    reactor_->RunOnce(Duration::zero());
  }

  void Make(const DrainTimes& times) {
    drain_ = std::make_unique<Drain>(
        reactor_.get(), &health_, times,
        Drain::Steps{
            .stop_accepting =
                [this](Task done) {
                  Note("stop_accepting");
                  listeners_closed_ = std::move(done);
                },
            .end_idle = [this] { Note("end_idle"); },
            .end_all = [this] { Note("end_all"); },
            .open_connections = [this] { return connections_; },
            .finished = [this] { Note("finished"); },
        });
  }

  // What ran, and how long after Begin().
  void Note(const std::string& step) {
    EXPECT_TRUE(health_.draining()) << step;
    const auto at = std::chrono::duration_cast<milliseconds>(drain_->elapsed());
    ran_.push_back(step + " " + std::to_string(at.count()));
  }

  // In rounds of a millisecond.
  void Pass(Duration time) {
    const MonoTime end = clock_.Now() + time;
    while (clock_.Now() < end) {
      clock_.Advance(milliseconds(1));
      reactor_->RunOnce(Duration::zero());
    }
  }

  void CloseListeners() { std::exchange(listeners_closed_, nullptr)(); }

  ManualClock clock_;
  Health health_;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<Drain> drain_;
  Task listeners_closed_;
  int64_t connections_ = 0;
  std::vector<std::string> ran_;
};

TEST_F(DrainTest, ReadinessGoesFirst) {
  Make({.delay = seconds(3)});
  EXPECT_FALSE(drain_->begun());
  EXPECT_TRUE(health_.ready());
  drain_->Begin();
  EXPECT_TRUE(drain_->begun());
  EXPECT_TRUE(health_.draining());
  // Load balancers have the delay to notice.
  Pass(milliseconds(2999));
  EXPECT_THAT(ran_, IsEmpty());
  Pass(milliseconds(20));
  ASSERT_EQ(ran_.size(), 1u);
  EXPECT_THAT(ran_[0], testing::StartsWith("stop_accepting 30"));
}

TEST_F(DrainTest, WithoutADelayListenersAreToldAtOnce) {
  Make({});
  drain_->Begin();
  EXPECT_THAT(ran_, ElementsAre("stop_accepting 0"));
}

TEST_F(DrainTest, IdleConnectionsEndWhenListenersAreClosed) {
  Make({});
  connections_ = 1;
  drain_->Begin();
  Pass(milliseconds(500));
  EXPECT_THAT(ran_, ElementsAre("stop_accepting 0"));
  CloseListeners();
  EXPECT_THAT(ran_, ElementsAre("stop_accepting 0", "end_idle 500"));
  Pass(seconds(1));
  EXPECT_EQ(ran_.size(), 2u);  // each step once
}

TEST_F(DrainTest, FinishesAtOnceWhenNothingIsLeft) {
  Make({});
  drain_->Begin();
  CloseListeners();
  Pass(milliseconds(12));
  ASSERT_EQ(ran_.size(), 3u);
  EXPECT_EQ(ran_[1], "end_idle 0");
  EXPECT_THAT(ran_[2], testing::MatchesRegex("finished 1[0-2]"));
  // Nothing turns any more.
  Pass(seconds(60));
  EXPECT_EQ(ran_.size(), 3u);
}

TEST_F(DrainTest, FinishesWhenTheLastConnectionEnds) {
  Make({});
  connections_ = 2;
  drain_->Begin();
  CloseListeners();
  Pass(seconds(4));
  connections_ = 1;
  Pass(seconds(4));
  EXPECT_THAT(ran_, ElementsAre("stop_accepting 0", "end_idle 0"));
  connections_ = 0;
  Pass(milliseconds(12));
  ASSERT_EQ(ran_.size(), 3u);
  EXPECT_THAT(ran_[2], testing::MatchesRegex("finished 80[01][0-9]"));
}

TEST_F(DrainTest, NoConnectionsIsNoEndWhileListenersMayHoldSome) {
  Make({});
  drain_->Begin();
  Pass(seconds(1));
  EXPECT_THAT(ran_, ElementsAre("stop_accepting 0"));
}

TEST_F(DrainTest, TheDeadlineEndsAllAndTheGraceIsTheLast) {
  Make({.timeout = seconds(2)});
  connections_ = 1;
  drain_->Begin();
  CloseListeners();
  Pass(milliseconds(1999));
  EXPECT_EQ(ran_.size(), 2u);
  Pass(milliseconds(15));
  ASSERT_EQ(ran_.size(), 3u);
  EXPECT_THAT(ran_[2], testing::MatchesRegex("end_all 20[01][0-9]"));
  Pass(milliseconds(1450));
  EXPECT_EQ(ran_.size(), 3u);
  Pass(milliseconds(60));
  ASSERT_EQ(ran_.size(), 4u);
  EXPECT_THAT(ran_[3], testing::MatchesRegex("finished 35[01][0-9]"));
  Pass(seconds(60));
  EXPECT_EQ(ran_.size(), 4u);
}

TEST_F(DrainTest, AfterTheDeadlineTheLastConnectionEndsItAtOnce) {
  Make({.timeout = seconds(2)});
  connections_ = 1;
  drain_->Begin();
  CloseListeners();
  Pass(milliseconds(2100));
  connections_ = 0;
  Pass(milliseconds(12));
  ASSERT_EQ(ran_.size(), 4u);
  EXPECT_THAT(ran_[3], testing::MatchesRegex("finished 21[01][0-9]"));
}

TEST_F(DrainTest, ListenersThatNeverCloseDoNotHoldTheProcess) {
  Make({.timeout = seconds(1)});
  drain_->Begin();
  Pass(seconds(3));
  ASSERT_EQ(ran_.size(), 3u);
  EXPECT_THAT(ran_[1], testing::StartsWith("end_all 10"));
  EXPECT_THAT(ran_[2], testing::StartsWith("finished 25"));
}

TEST_F(DrainTest, BeginsOnce) {
  Make({.timeout = seconds(2)});
  connections_ = 1;
  drain_->Begin();
  CloseListeners();
  Pass(seconds(1));
  drain_->Begin();
  EXPECT_EQ(drain_->elapsed(), seconds(1));
  EXPECT_THAT(ran_, ElementsAre("stop_accepting 0", "end_idle 0"));
  // The deadline is that of the first.
  Pass(milliseconds(1015));
  EXPECT_EQ(ran_.size(), 3u);
}

}  // namespace
}  // namespace weir
