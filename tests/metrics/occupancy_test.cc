#include "metrics/occupancy.h"

#include <atomic>
#include <cstdint>
#include <thread>

#include "gtest/gtest.h"

namespace weir {
namespace {

double At(const Occupancy& occupancy, int64_t now) {
  return occupancy.Nanos([now] { return now; });
}

TEST(Occupancy, IsNothingAtFirst) {
  Occupancy occupancy;
  EXPECT_EQ(occupancy.Count(), 0);
  EXPECT_EQ(At(occupancy, 1'000'000), 0);
}

TEST(Occupancy, AddsTheTimesOfAllThatAreInside) {
  Occupancy occupancy;
  occupancy.Enter(100);
  occupancy.Enter(110);
  EXPECT_EQ(occupancy.Count(), 2);
  occupancy.Leave(130);
  occupancy.Leave(1000);
  EXPECT_EQ(occupancy.Count(), 0);
  EXPECT_EQ(At(occupancy, 5000), 10 + 2 * 20 + 870);
}

TEST(Occupancy, AReadingFoldsInWhatIsStillInside) {
  Occupancy occupancy;
  occupancy.Enter(100);
  EXPECT_EQ(At(occupancy, 100), 0);
  EXPECT_EQ(At(occupancy, 150), 50);
  occupancy.Enter(200);
  EXPECT_EQ(At(occupancy, 203), 106);
  EXPECT_EQ(At(occupancy, 210), 120);
  // Exact for whole nanoseconds, however many.
  EXPECT_EQ(At(occupancy, 200 + 3'600'000'000'000), 100 + 2.0 * 3.6e12);
}

// A loop's time is as old as its round: what it ends seems to end before a
// reading that came in between.
TEST(Occupancy, NeverFalls) {
  Occupancy occupancy;
  occupancy.Enter(100);
  EXPECT_EQ(At(occupancy, 200), 100);
  occupancy.Leave(150);
  EXPECT_EQ(At(occupancy, 300), 100);
  occupancy.Enter(300);
  EXPECT_EQ(At(occupancy, 340), 100);
  EXPECT_EQ(At(occupancy, 400), 150);
  // A reader whose clock is behind the writer's.
  EXPECT_EQ(At(occupancy, 299), 150);
}

TEST(Occupancy, ReadersSeeOneMomentWhileItIsWritten) {
  Occupancy occupancy;
  std::atomic<int64_t> now{0};
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int64_t i = 0; i < 200'000; ++i) {
      const int64_t at = now.fetch_add(1) + 1;
      i % 2 == 0 ? occupancy.Enter(at) : occupancy.Leave(at);
    }
    stop = true;
  });
  double last = 0;
  while (!stop) {
    int64_t seen = 0;
    const double nanos = occupancy.Nanos([&] { return seen = now.load(); });
    EXPECT_GE(nanos, last);
    EXPECT_LE(nanos, static_cast<double>(seen));
    last = nanos;
  }
  writer.join();
  EXPECT_EQ(At(occupancy, now), 100'000);
}

}  // namespace
}  // namespace weir
