#include "proxy/relay/shard_policy.h"

#include <algorithm>
#include <latch>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "reactor/clock.h"

namespace weir {
namespace {

std::vector<int64_t> Loads(const LoadMatrix& loads) {
  std::vector<int64_t> all;
  for (size_t i = 0; i < loads.reactors(); ++i) all.push_back(loads.Load(i));
  return all;
}

TEST(LoadMatrixTest, LoadIsAssignedByAllMinusFinished) {
  LoadMatrix loads(3, 3);
  loads.Assigned(0, 2);
  loads.Assigned(1, 2);
  loads.Assigned(2, 2);
  loads.Assigned(1, 0);
  loads.Finished(2);
  EXPECT_EQ(Loads(loads), (std::vector<int64_t>{1, 0, 2}));
}

TEST(LoadMatrixTest, IsNegativeWhileAnEndIsSeenFirst) {
  LoadMatrix loads(2, 2);
  loads.Finished(1);
  EXPECT_EQ(loads.Load(1), -1);
  loads.Assigned(0, 1);
  EXPECT_EQ(loads.Load(1), 0);
}

TEST(LoadMatrixTest, MoreReactorsThanWordsOnALine) {
  LoadMatrix loads(40, 40);
  for (size_t by = 0; by < 40; ++by) {
    for (size_t to = 0; to < 40; ++to) {
      for (size_t n = 0; n < to; ++n) loads.Assigned(by, to);
    }
  }
  for (size_t to = 0; to < 40; ++to) {
    EXPECT_EQ(loads.Load(to), static_cast<int64_t>(40 * to));
  }
}

TEST(PickerTest, LocalKeepsAndCounts) {
  LoadMatrix loads(3, 3);
  Picker picker(&loads, ShardPolicy::kLocal, 1);
  EXPECT_EQ(picker.Pick(MonoTime()), 1u);
  EXPECT_EQ(picker.Pick(MonoTime()), 1u);
  EXPECT_EQ(Loads(loads), (std::vector<int64_t>{0, 2, 0}));
}

TEST(PickerTest, RoundRobinTakesTurnsWhateverTheLoad) {
  LoadMatrix loads(3, 3);
  Picker picker(&loads, ShardPolicy::kRoundRobin, 1);
  for (int i = 0; i < 5; ++i) loads.Assigned(0, 2);
  EXPECT_EQ(picker.Pick(MonoTime()), 1u);
  EXPECT_EQ(picker.Pick(MonoTime()), 2u);
  EXPECT_EQ(picker.Pick(MonoTime()), 0u);
  EXPECT_EQ(picker.Pick(MonoTime()), 1u);
}

TEST(PickerTest, LeastSeesItsOwnBurst) {
  LoadMatrix loads(4, 4);
  Picker picker(&loads, ShardPolicy::kLeast, 0);
  for (int i = 0; i < 400; ++i) picker.Pick(MonoTime());
  EXPECT_EQ(Loads(loads), (std::vector<int64_t>{100, 100, 100, 100}));
}

TEST(PickerTest, LeastSeesTheBurstOfOtherAcceptors) {
  LoadMatrix loads(3, 3);
  Picker first(&loads, ShardPolicy::kLeast, 0);
  Picker second(&loads, ShardPolicy::kLeast, 1);
  for (int i = 0; i < 30; ++i) {
    first.Pick(MonoTime());
    second.Pick(MonoTime());
  }
  EXPECT_EQ(Loads(loads), (std::vector<int64_t>{20, 20, 20}));
}

TEST(PickerTest, LeastFillsTheOneThatIsBehind) {
  LoadMatrix loads(3, 3);
  for (int i = 0; i < 3; ++i) loads.Assigned(0, 0);
  for (int i = 0; i < 3; ++i) loads.Assigned(0, 1);
  Picker picker(&loads, ShardPolicy::kLeast, 0);
  EXPECT_EQ(picker.Pick(MonoTime()), 2u);
  EXPECT_EQ(picker.Pick(MonoTime()), 2u);
  EXPECT_EQ(picker.Pick(MonoTime()), 2u);
  loads.Finished(1);
  EXPECT_EQ(picker.Pick(MonoTime()), 1u);
}

TEST(PickerTest, IdleReactorsTakeTurns) {
  LoadMatrix loads(3, 3);
  Picker picker(&loads, ShardPolicy::kLeast, 0);
  std::vector<size_t> picks;
  for (int i = 0; i < 6; ++i) {
    picks.push_back(picker.Pick(MonoTime()));
    loads.Finished(picks.back());  // each ends before the next comes
  }
  EXPECT_EQ(picks, (std::vector<size_t>{0, 1, 2, 0, 1, 2}));
}

// Every acceptor assigns and every reactor finishes on threads of their own;
// the sum is exact when they rest. Under tsan, also a proof of no data race.
TEST(LoadMatrixTest, ThreadsLoseNothing) {
  constexpr size_t kReactors = 3;
  constexpr int kRounds = 3000;
  LoadMatrix loads(kReactors, kReactors);
  std::latch start(kReactors);
  std::vector<std::thread> threads;
  for (size_t self = 0; self < kReactors; ++self) {
    threads.emplace_back([&, self] {
      Picker picker(&loads, ShardPolicy::kLeast, self);
      start.arrive_and_wait();
      for (int i = 0; i < kRounds; ++i) {
        picker.Pick(MonoTime());
        if (i % 2 == 0) loads.Finished(self);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  int64_t sum = 0;
  for (const int64_t load : Loads(loads)) sum += load;
  EXPECT_EQ(sum, int64_t{kReactors} * kRounds / 2);
}

}  // namespace
}  // namespace weir
