// Who counts as late, and what `lag` makes of it. The loops are their lag
// histograms; time stands in a variable.

#include "proxy/relay/lateness.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "metrics/lag_histogram.h"
#include "proxy/config/shard_policy_kind.h"
#include "proxy/relay/shard_policy.h"
#include "reactor/clock.h"

namespace weir {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr size_t kLoops = 3;

class LatenessTest : public testing::Test {
 protected:
  LatenessTest() {
    for (LagHistogram& loop : loops_) loop.BeginWait([this] { return now_; });
  }

  MonoTime Now() const { return MonoTime(Duration(now_)); }
  Lateness::Read Read() {
    return [this](size_t i) {
      ++reads_;
      return loops_[i].Read([this] { return now_; });
    };
  }
  void Begin(size_t i) {
    loops_[i].EndWait([this] { return now_; });
  }
  void End(size_t i) {
    loops_[i].BeginWait([this] { return now_; });
  }
  // In each of `rounds` periods, loop i works for busy[i].
  void Pass(int rounds, Duration period,
            const std::array<Duration, kLoops>& busy) {
    for (int round = 0; round < rounds; ++round) {
      const int64_t begin = now_;
      for (size_t i = 0; i < kLoops; ++i) {
        now_ = begin;
        Begin(i);
        now_ = begin + busy[i].count();
        End(i);
      }
      now_ = begin + period.count();
    }
  }

  int64_t now_ = 1'000'000'000;
  std::array<LagHistogram, kLoops> loops_;
  int reads_ = 0;
};

TEST_F(LatenessTest, NobodyIsLateBeforeTheFirstLook) {
  const Lateness lateness(kLoops, Read());
  EXPECT_EQ(lateness.share(0), Lateness::kWhole);
  EXPECT_FALSE(lateness.stuck(0));
}

TEST_F(LatenessTest, TheShareIsWhatIsNotBusy) {
  Lateness lateness(kLoops, Read());
  Pass(10'000, milliseconds(1),
       {microseconds(20), microseconds(500), microseconds(900)});
  lateness.Look(Now());
  EXPECT_EQ(lateness.share(0), 8);  // 2 % is as good as idle
  EXPECT_EQ(lateness.share(1), 4);
  EXPECT_EQ(lateness.share(2), 1);
}

// As busy as the first, but in long pieces: who comes waits for their end.
TEST_F(LatenessTest, LongIterationsCostMore) {
  Lateness lateness(kLoops, Read());
  Pass(100, milliseconds(100),
       {milliseconds(20), milliseconds(4), Duration::zero()});
  lateness.Look(Now());
  EXPECT_EQ(lateness.share(0), 3);  // 20 % and 2 ms of lag
  EXPECT_EQ(lateness.share(1), 8);
  EXPECT_EQ(lateness.share(2), 8);
}

TEST_F(LatenessTest, StuckIsWhatRunsNow) {
  Lateness lateness(kLoops, Read());
  Begin(1);
  now_ += 4'999'999;
  lateness.Look(Now());
  EXPECT_FALSE(lateness.stuck(1));
  now_ += 2'000'001;
  lateness.Look(Now());
  EXPECT_TRUE(lateness.stuck(1));
  EXPECT_FALSE(lateness.stuck(0));
  End(1);
  now_ += 2'000'000;
  lateness.Look(Now());
  EXPECT_FALSE(lateness.stuck(1));
}

TEST_F(LatenessTest, WhatWasIsForgotten) {
  Lateness lateness(kLoops, Read());
  Pass(1000, milliseconds(1),
       {Duration::zero(), microseconds(950), Duration::zero()});
  lateness.Look(Now());
  EXPECT_EQ(lateness.share(1), 1);
  int last = 1;
  for (int looks = 0; looks < 100; ++looks) {
    now_ += 10'000'000;
    lateness.Look(Now());
    EXPECT_GE(lateness.share(1), last);
    last = lateness.share(1);
  }
  EXPECT_EQ(last, Lateness::kWhole);
}

TEST_F(LatenessTest, LooksAreBounded) {
  Lateness lateness(kLoops, Read());
  for (int i = 0; i < 1000; ++i) lateness.Look(Now());
  EXPECT_EQ(reads_, static_cast<int>(kLoops));
  now_ += 1'999'999;
  lateness.Look(Now());
  EXPECT_EQ(reads_, static_cast<int>(kLoops));
  now_ += 1;
  lateness.Look(Now());
  EXPECT_EQ(reads_, static_cast<int>(2 * kLoops));
}

class LagTest : public LatenessTest {
 protected:
  std::vector<int64_t> Pick(Picker* picker, int count) {
    std::vector<int64_t> picks(kLoops);
    for (int i = 0; i < count; ++i) ++picks[picker->Pick(Now())];
    return picks;
  }

  LoadMatrix loads_{kLoops, kLoops + 1};
};

TEST_F(LagTest, EqualLoopsAreLeast) {
  LoadMatrix others(kLoops, kLoops + 1);
  Picker lag(&loads_, ShardPolicy::kLag, 0, Read());
  Picker least(&others, ShardPolicy::kLeast, 0);
  for (int i = 0; i < 300; ++i) {
    Pass(1, milliseconds(1),
         {microseconds(300), microseconds(300), microseconds(300)});
    const size_t picked = lag.Pick(Now());
    ASSERT_EQ(picked, least.Pick(Now())) << i;
    if (i % 5 == 0) {
      loads_.Finished(picked);
      others.Finished(picked);
    }
  }
}

TEST_F(LagTest, ABusyLoopGetsFewer) {
  Picker picker(&loads_, ShardPolicy::kLag, kLoops, Read());
  Pass(10'000, milliseconds(1),
       {Duration::zero(), microseconds(900), Duration::zero()});
  EXPECT_EQ(Pick(&picker, 170), (std::vector<int64_t>{80, 10, 80}));
}

TEST_F(LagTest, AStuckLoopGetsNothing) {
  Picker picker(&loads_, ShardPolicy::kLag, kLoops, Read());
  Begin(2);
  now_ += 5'000'000;
  EXPECT_EQ(Pick(&picker, 100), (std::vector<int64_t>{50, 50, 0}));
}

TEST_F(LagTest, WhereAllAreStuckOneIsPickedAllTheSame) {
  Picker picker(&loads_, ShardPolicy::kLag, kLoops, Read());
  for (size_t i = 0; i < kLoops; ++i) Begin(i);
  now_ += 5'000'000;
  EXPECT_EQ(Pick(&picker, 99), (std::vector<int64_t>{33, 33, 33}));
}

TEST_F(LagTest, ItIsFilledUpAgainAfterwards) {
  Picker picker(&loads_, ShardPolicy::kLag, kLoops, Read());
  Begin(0);
  now_ += 50'000'000;
  EXPECT_EQ(Pick(&picker, 60), (std::vector<int64_t>{0, 30, 30}));
  End(0);
  now_ += 3'000'000'000;
  // (The mean forgets with each look at it.)
  Pick(&picker, 0);
  now_ += 3'000'000'000;
  EXPECT_EQ(Pick(&picker, 30)[0], 30);
}

}  // namespace
}  // namespace weir
