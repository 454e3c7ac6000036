#include "proxy/observe/admin_loops.h"

#include <chrono>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "reactor/callback_kind.h"
#include "reactor/stall.h"
#include "tests/support/manual_clock.h"

namespace weir {
namespace {

using nlohmann::ordered_json;
using std::chrono::milliseconds;

class AdminLoopsTest : public testing::Test {
 protected:
  AdminLoopsTest() {
    facts_.stall_threshold = milliseconds(10);
    facts_.forwards = {{.name = "pg"}};
    loop_ = {.name = "0",
             .age = nullptr,
             .activity = [this] { return activity_; },
             .stalls = [this] { return stalls_; }};
  }

  ordered_json Get() {
    AdminLoops loops(&facts_, {loop_}, Names(), &clock_);
    return loops.Get();
  }
  StackNames Names() {
    return [this](const StackTrace& stack) {
      ++named_;
      return std::vector<std::string>(stack.size, "weir::Stuck");
    };
  }

  ManualClock clock_;
  ProcessFacts facts_;
  LoopActivity activity_;
  std::vector<Stall> stalls_;
  LoopSource loop_;
  int named_ = 0;
};

TEST_F(AdminLoopsTest, ALoopThatPollsDoesNothing) {
  activity_.phase = LoopActivity::Phase::kPolling;
  const ordered_json json = Get();
  EXPECT_EQ(json["stall_threshold_seconds"], 0.01);
  EXPECT_EQ(json["reactors"].dump(),
            R"([{"reactor":"0","phase":"polling","age_seconds":0,)"
            R"("current":null,"stalls":[]}])");
}

TEST_F(AdminLoopsTest, SaysWhatABusyLoopDoesAndForWhom) {
  activity_ = {.phase = LoopActivity::Phase::kBusy,
               .since = {},
               .age = milliseconds(120),
               .kind = CallbackKind::kRelay,
               .subject = {.forward = 0, .connection = 17},
               .running = milliseconds(119),
               .cause = StallCause::kCpu,
               .stack = {.frames = {1, 2}, .size = 2}};
  const ordered_json loop = Get()["reactors"][0];
  EXPECT_EQ(loop["phase"], "busy");
  EXPECT_EQ(loop["age_seconds"], 0.12);
  EXPECT_EQ(loop["current"].dump(),
            R"({"kind":"relay","forward":"pg","connection":17,)"
            R"("seconds":0.119,"cause":"cpu",)"
            R"("stack":["weir::Stuck","weir::Stuck"]})");
  activity_.cause.reset();
  activity_.stack = {};
  activity_.subject = {};
  const ordered_json current = Get()["reactors"][0]["current"];
  EXPECT_TRUE(current["cause"].is_null());
  EXPECT_TRUE(current["forward"].is_null());
  EXPECT_TRUE(current["connection"].is_null());
  EXPECT_TRUE(current["stack"].empty());
}

TEST_F(AdminLoopsTest, ListsStallsWithTheTimeOfTheirBegin) {
  stalls_ = {{.number = 5,
              .begin = clock_.Now() - milliseconds(500),
              .duration = milliseconds(300),
              .kind = CallbackKind::kTask,
              .subject = {},
              .cause = StallCause::kBlocked,
              .cpu = milliseconds(1),
              .run_delay = milliseconds(2),
              .stack = {.frames = {1}, .size = 1}},
             {.number = 4, .begin = clock_.Now(), .kind = std::nullopt}};
  const ordered_json stalls = Get()["reactors"][0]["stalls"];
  ASSERT_EQ(stalls.size(), 2u);
  EXPECT_EQ(stalls[0].dump(),
            R"({"number":5,"time_seconds":3599.5,"seconds":0.3,"kind":"task",)"
            R"("forward":null,"connection":null,"cause":"blocked",)"
            R"("cpu_seconds":0.001,"run_delay_seconds":0.002,)"
            R"("stack":["weir::Stuck"]})");
  EXPECT_EQ(stalls[1]["kind"], "iteration");
}

TEST_F(AdminLoopsTest, NamesAStackOnce) {
  stalls_ = {{.number = 1, .stack = {.frames = {1}, .size = 1}}};
  AdminLoops loops(&facts_, {loop_}, Names(), &clock_);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(loops.Get()["reactors"][0]["stalls"][0]["stack"].size(), 1u);
  }
  EXPECT_EQ(named_, 1);
  stalls_[0].number = 2;
  loops.Get();
  EXPECT_EQ(named_, 2);
}

TEST_F(AdminLoopsTest, ALoopThatNobodyObservesIsStopped) {
  loop_ = {.name = "0", .age = nullptr};
  EXPECT_EQ(Get()["reactors"][0]["phase"], "stopped");
}

}  // namespace
}  // namespace weir
