#include "reactor/run_until.h"

#include <chrono>
#include <utility>

#include "gtest/gtest.h"
#include "reactor/clock.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"

namespace weir {
namespace {

TEST(RunUntilTest, EndsWhenItIsSoOrTheTimeIsOver) {
  auto poller = MakePoller(PollerKind::kEpoll);
  ASSERT_TRUE(poller.ok()) << poller.status();
  Reactor reactor({.poller = *std::move(poller)});
  int ran = 0;
  for (int i = 0; i < 3; ++i) reactor.Post([&ran] { ++ran; });
  EXPECT_TRUE(
      RunUntil(&reactor, std::chrono::seconds(60), [&] { return ran == 3; }));
  // Asked before the first round, too, whatever the time.
  reactor.Post([&ran] { ++ran; });
  EXPECT_TRUE(RunUntil(&reactor, Duration::zero(), [] { return true; }));
  EXPECT_EQ(ran, 3);
  const MonoTime began = reactor.clock().Now();
  constexpr Duration kWithin = std::chrono::milliseconds(20);
  EXPECT_FALSE(RunUntil(&reactor, kWithin, [] { return false; }));
  EXPECT_GE(reactor.clock().Now() - began, kWithin);
  EXPECT_EQ(ran, 4);
}

}  // namespace
}  // namespace weir
