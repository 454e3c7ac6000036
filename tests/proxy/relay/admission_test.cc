#include "proxy/relay/admission.h"

#include <atomic>
#include <latch>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace weir {
namespace {

TEST(MaxConnectionsTest, TwoDescriptorsEachBehindTheReserve) {
  EXPECT_EQ(MaxConnections({.open_files = 20'000}), (20'000 - 128) / 2);
  EXPECT_EQ(MaxConnections({.open_files = 1'024, .pipes = 96}), 400);
  EXPECT_EQ(MaxConnections({.open_files = 1'024, .taken = 234}), 331);
}

TEST(MaxConnectionsTest, SelectCountsToItsLimit) {
  EXPECT_EQ(MaxConnections({.open_files = 20'000, .poller_limit = 1'024}), 448);
  EXPECT_EQ(MaxConnections({.open_files = 256, .poller_limit = 1'024}), 64);
}

TEST(MaxConnectionsTest, ConfiguredOnlyLowers) {
  EXPECT_EQ(MaxConnections({.open_files = 20'000, .configured = 10}), 10);
  EXPECT_EQ(MaxConnections({.open_files = 256, .configured = 1'000}), 64);
}

TEST(MaxConnectionsTest, NeverNegativeAndNeverTooLarge) {
  EXPECT_EQ(MaxConnections({.open_files = 20}), 0);
  EXPECT_EQ(MaxConnections({.open_files = INT64_MAX}), (INT64_MAX - 128) / 2);
}

TEST(AdmissionTest, AdmitsUpToMaxAndAgainAfterRelease) {
  Admission admission(2);
  EXPECT_TRUE(admission.TryAcquire());
  EXPECT_TRUE(admission.TryAcquire());
  EXPECT_FALSE(admission.TryAcquire());
  EXPECT_EQ(admission.active(), 2);
  admission.Release();
  EXPECT_TRUE(admission.TryAcquire());
  EXPECT_FALSE(admission.TryAcquire());
}

TEST(AdmissionTest, ThreadsNeverPassTheLimit) {
  constexpr int kThreads = 4;
  constexpr int kMax = 3;
  Admission admission(kMax);
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  std::latch start(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      start.arrive_and_wait();
      for (int i = 0; i < 5000; ++i) {
        if (!admission.TryAcquire()) continue;
        const int now = inside.fetch_add(1) + 1;
        int seen = most.load();
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        inside.fetch_sub(1);
        admission.Release();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most.load(), kMax);
  EXPECT_GE(most.load(), 1);
  EXPECT_EQ(admission.active(), 0);
}

}  // namespace
}  // namespace weir
