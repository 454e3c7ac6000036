#include "metrics/lag_histogram.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace weir {
namespace {

constexpr int64_t kMicro = 1'000;
constexpr int64_t kMilli = 1'000'000;
constexpr int64_t kSecond = 1'000'000'000;

// The bucket into which one arrival with this lag falls, as Prometheus defines
// buckets: by upper bounds that belong to them.
size_t BucketOf(int64_t lag) {
  size_t j = 0;
  while (j < LagHistogram::kBounds.size() && lag > LagHistogram::kBounds[j])
    ++j;
  return j;
}

// A loop on a clock of its own. It keeps its busy times, so that a test can
// work out by brute force what each arrival would have met.
class SimulatedLoop {
 public:
  explicit SimulatedLoop(int64_t start = 5 * kSecond) : now_(start) {}

  auto Clock() const {
    return [this] { return now_; };
  }
  void Wait(int64_t time) {
    lag_.BeginWait(Clock());
    now_ += time;
  }
  void Work(int64_t time) {
    lag_.EndWait(Clock());
    now_ += time;
  }
  void Pass(int64_t time) { now_ += time; }

  LagHistogram::Snapshot Read() const { return lag_.Read(Clock()); }
  LagHistogram& lag() { return lag_; }
  int64_t now() const { return now_; }

 private:
  LagHistogram lag_;
  int64_t now_;
};

TEST(LagHistogram, IsEmptyBeforeTheLoopRuns) {
  SimulatedLoop loop;
  loop.Pass(kSecond);
  const LagHistogram::Snapshot s = loop.Read();
  EXPECT_EQ(s.TotalNanos(), 0u);
  EXPECT_EQ(s.iterations, 0u);
  EXPECT_EQ(s.age_ns, 0u);
}

TEST(LagHistogram, ReturnsTheTimeOfEachBoundary) {
  LagHistogram lag;
  EXPECT_EQ(lag.BeginWait([] { return int64_t{7}; }), 7);
  EXPECT_EQ(lag.EndWait([] { return int64_t{9}; }), 9);
  EXPECT_EQ(lag.Finish([] { return int64_t{12}; }), 12);
}

TEST(LagHistogram, AWaitIsTimeWithoutLag) {
  SimulatedLoop loop;
  loop.Wait(3 * kSecond);
  loop.Work(0);
  const LagHistogram::Snapshot s = loop.Read();
  EXPECT_EQ(s.bucket_ns[0], uint64_t{3 * kSecond});
  EXPECT_EQ(s.TotalNanos(), uint64_t{3 * kSecond});
  EXPECT_EQ(s.PollNanos(), uint64_t{3 * kSecond});
  EXPECT_EQ(s.lag_integral, 0);
}

TEST(LagHistogram, AnIterationGivesEachBucketItsShare) {
  SimulatedLoop loop;
  loop.Wait(0);
  loop.Work(3 * kMilli);
  loop.Wait(0);
  const LagHistogram::Snapshot s = loop.Read();
  EXPECT_EQ(s.bucket_ns[0], uint64_t{100 * kMicro});
  EXPECT_EQ(s.bucket_ns[1], uint64_t{150 * kMicro});
  EXPECT_EQ(s.bucket_ns[2], uint64_t{250 * kMicro});
  EXPECT_EQ(s.bucket_ns[3], uint64_t{500 * kMicro});
  EXPECT_EQ(s.bucket_ns[4], uint64_t{1500 * kMicro});
  EXPECT_EQ(s.bucket_ns[5], uint64_t{500 * kMicro});
  EXPECT_EQ(s.bucket_ns[6], 0u);
  EXPECT_EQ(s.busy_ns, uint64_t{3 * kMilli});
  EXPECT_EQ(s.iterations, 1u);
  EXPECT_DOUBLE_EQ(s.lag_integral, 0.003 * 0.003 / 2);
}

TEST(LagHistogram, AnIterationThatEndsOnABoundStaysUnderIt) {
  for (size_t j = 0; j < LagHistogram::kBounds.size(); ++j) {
    SimulatedLoop loop;
    loop.Wait(0);
    loop.Work(LagHistogram::kBounds[j]);
    loop.Wait(0);
    const LagHistogram::Snapshot s = loop.Read();
    EXPECT_GT(s.bucket_ns[j], 0u) << j;
    EXPECT_EQ(s.bucket_ns[j + 1], 0u) << j;
  }
}

// The definition by brute force: at every instant of a grid somebody arrives
// and asks how long the loop will be busy from now on.
TEST(LagHistogram, EqualsWhatArrivalsMeet) {
  constexpr int64_t kStep = 10 * kMicro;
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    SimulatedLoop loop;
    std::array<uint64_t, LagHistogram::kBuckets> expected{};
    double integral = 0;
    for (int i = 0; i < 200; ++i) {
      // All times are whole steps, so the middle of each step stands for it.
      const int64_t wait = static_cast<int64_t>(random() % 300) * kStep;
      int64_t busy = static_cast<int64_t>(random() % 100) * kStep;
      if (i % 50 == 0) busy += static_cast<int64_t>(random() % 2000) * kMilli;
      loop.Wait(wait);
      loop.Work(busy);
      expected[0] += static_cast<uint64_t>(wait);
      for (int64_t at = 0; at < busy; at += kStep) {
        const int64_t lag = busy - at - kStep / 2;
        expected[BucketOf(lag)] += uint64_t{kStep};
        integral += static_cast<double>(lag) * 1e-9 * kStep * 1e-9;
      }
    }
    loop.Wait(0);
    const LagHistogram::Snapshot s = loop.Read();
    EXPECT_EQ(s.bucket_ns, expected);
    EXPECT_NEAR(s.lag_integral, integral, integral * 1e-9);
    EXPECT_EQ(s.iterations, 200u);
  }
}

// What a quantile over the exported counts says of a schedule that is known: a
// loop that works 1 ms and waits 1 ms. Half of the arrivals find it idle.
TEST(LagHistogram, QuantilesAreThoseOfArrivals) {
  SimulatedLoop loop;
  for (int i = 0; i < 5000; ++i) {
    loop.Wait(kMilli);
    loop.Work(kMilli);
  }
  loop.Wait(0);
  const LagSample sample = LagSample::From(loop.Read());
  EXPECT_EQ(sample.cumulative.back(), 10'000u);
  EXPECT_EQ(sample.cumulative[0], 5'500u);   // idle, or the last 100 us
  EXPECT_EQ(sample.cumulative[2], 7'500u);   // 500 us
  EXPECT_EQ(sample.cumulative[3], 10'000u);  // 1 ms
  EXPECT_NEAR(sample.sum_seconds / 10'000, 0.00025, 1e-9);
}

TEST(LagHistogram, AStallWeighsWhatItCost) {
  SimulatedLoop loop;
  loop.Wait(400 * kMilli);
  loop.Work(100 * kMilli);
  loop.Wait(0);
  loop.Work(500 * kMilli);
  loop.Wait(0);
  const LagSample sample = LagSample::From(loop.Read());
  EXPECT_EQ(sample.cumulative.back(), 1000u);
  // 600 ms of lag under 100 ms or none, 400 ms above: not one of two samples.
  EXPECT_EQ(sample.cumulative[9], 600u);
  EXPECT_EQ(sample.cumulative[11], 1000u);
  EXPECT_NEAR(sample.sum_seconds, 1000 * (0.1 * 0.1 + 0.5 * 0.5) / 2, 1e-6);
}

TEST(LagHistogram, AStallIsSeenBeforeItEnds) {
  SimulatedLoop loop;
  loop.Wait(kSecond);
  loop.Work(0);
  loop.Pass(300 * kMilli);
  const LagHistogram::Snapshot during = loop.Read();
  EXPECT_EQ(during.age_ns, uint64_t{300 * kMilli});
  EXPECT_EQ(during.iterations, 0u);
  EXPECT_EQ(during.bucket_ns[10], uint64_t{150 * kMilli});  // 100 to 250 ms
  EXPECT_EQ(during.bucket_ns[11], uint64_t{50 * kMilli});   // 250 to 500 ms
  loop.Pass(200 * kMilli);
  EXPECT_EQ(loop.Read().age_ns, uint64_t{500 * kMilli});
  loop.Wait(0);
  const LagHistogram::Snapshot after = loop.Read();
  EXPECT_EQ(after.age_ns, 0u);
  EXPECT_EQ(after.bucket_ns[11], uint64_t{250 * kMilli});
  EXPECT_EQ(after.TotalNanos(), uint64_t{1500 * kMilli});
}

TEST(LagHistogram, AnEndlessWaitIsCountedAsItPasses) {
  SimulatedLoop loop;
  loop.Wait(0);
  for (int hour = 1; hour <= 3; ++hour) {
    loop.Pass(3600 * kSecond);
    const LagSample sample = LagSample::From(loop.Read());
    EXPECT_EQ(sample.cumulative[0], uint64_t{3'600'000} * hour);
    EXPECT_EQ(sample.cumulative.back(), uint64_t{3'600'000} * hour);
  }
  EXPECT_EQ(loop.Read().age_ns, 0u);
  loop.Work(0);
  EXPECT_EQ(LagSample::From(loop.Read()).cumulative[0], 3 * 3'600'000u);
}

TEST(LagHistogram, LongStallsDoNotOverflow) {
  for (const int64_t seconds : {6, 60, 86'400 * 30}) {
    SimulatedLoop loop;
    loop.Wait(0);
    loop.Work(seconds * kSecond);
    const double expected = static_cast<double>(seconds) * seconds / 2;
    EXPECT_NEAR(loop.Read().lag_integral, expected, expected * 1e-12);
    loop.Wait(0);
    const LagHistogram::Snapshot s = loop.Read();
    EXPECT_NEAR(s.lag_integral, expected, expected * 1e-12);
    EXPECT_EQ(s.TotalNanos(), static_cast<uint64_t>(seconds * kSecond));
    if (seconds > 10) {
      EXPECT_EQ(s.bucket_ns.back(),
                static_cast<uint64_t>((seconds - 10) * kSecond));
    }
  }
}

TEST(LagHistogram, AnEndedLoopNeitherAgesNorAccrues) {
  SimulatedLoop loop;
  loop.Wait(kMilli);
  loop.Work(kMilli);
  loop.lag().Finish(loop.Clock());
  loop.Pass(60 * kSecond);
  LagHistogram::Snapshot s = loop.Read();
  EXPECT_EQ(s.age_ns, 0u);
  EXPECT_EQ(s.TotalNanos(), uint64_t{2 * kMilli});
  EXPECT_EQ(s.iterations, 1u);
  loop.Wait(kMilli);  // it starts again
  EXPECT_EQ(loop.Read().TotalNanos(), uint64_t{3 * kMilli});
}

// No number falls, whenever scrapes happen; and what is exported is whole.
TEST(LagHistogram, NothingFallsBetweenScrapes) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    SimulatedLoop loop;
    const int64_t start = loop.now();
    LagHistogram::Snapshot last;
    LagSample last_sample;
    const auto scrape = [&] {
      const LagHistogram::Snapshot s = loop.Read();
      const LagSample sample = LagSample::From(s);
      for (size_t j = 0; j < LagHistogram::kBuckets; ++j) {
        ASSERT_GE(s.bucket_ns[j], last.bucket_ns[j]);
        ASSERT_GE(sample.cumulative[j], last_sample.cumulative[j]);
        if (j > 0) {
          ASSERT_GE(sample.cumulative[j], sample.cumulative[j - 1]);
        }
      }
      ASSERT_GE(s.lag_integral, last.lag_integral);
      ASSERT_GE(s.iterations, last.iterations);
      ASSERT_GE(s.busy_ns, last.busy_ns);
      ASSERT_GE(s.PollNanos(), last.PollNanos());
      ASSERT_EQ(s.TotalNanos(), static_cast<uint64_t>(loop.now() - start));
      ASSERT_EQ(sample.cumulative.back(), s.TotalNanos() / 1'000'000);
      last = s;
      last_sample = sample;
    };
    for (int i = 0; i < 300; ++i) {
      // From a few nanoseconds to some seconds.
      const auto time = [&random] {
        return static_cast<int64_t>(random() %
                                    (uint64_t{1} << (random() % 33)));
      };
      const auto pass = [&](int64_t whole) {
        for (int part = 0; part < 3; ++part) {
          loop.Pass(whole / 3);
          scrape();
        }
      };
      loop.Wait(0);
      scrape();
      pass(time());
      loop.Work(0);
      scrape();
      pass(time());
    }
  }
}

TEST(LagSample, KeepsWhatIsLessThanAMillisecond) {
  SimulatedLoop loop;
  loop.Wait(0);
  // 10,000 scrapes 0.3 ms apart: nothing is rounded away between them.
  LagSample sample;
  for (int i = 0; i < 10'000; ++i) {
    loop.Pass(300 * kMicro);
    sample = LagSample::From(loop.Read());
  }
  EXPECT_EQ(sample.cumulative.back(), 3000u);
}

TEST(LagSample, RaisesToAnOlderSampleAndAdds) {
  LagSample a, b;
  a.cumulative[0] = 5;
  a.cumulative[1] = 9;
  a.sum_seconds = 1;
  b.cumulative[0] = 6;
  b.cumulative[1] = 8;
  b.sum_seconds = 2;
  a.RaiseTo(b);
  EXPECT_EQ(a.cumulative[0], 6u);
  EXPECT_EQ(a.cumulative[1], 9u);
  EXPECT_EQ(a.sum_seconds, 2);
  a.Add(b);
  EXPECT_EQ(a.cumulative[0], 12u);
  EXPECT_EQ(a.cumulative[1], 17u);
  EXPECT_EQ(a.sum_seconds, 4);
}

// A writer and two readers on real threads. The clock is a counter that all of
// them push, so every boundary and reading has a time of its own. Time is never
// lost nor counted twice: any snapshot accounts for all of it up to its own
// reading. A torn one could not.
TEST(LagHistogram, ReadersSeeWholeBoundaries) {
  constexpr int kReadings = 5'000;
  LagHistogram lag;
  std::atomic<int64_t> ticks{1};
  const auto clock = [&ticks] {
    return ticks.fetch_add(30 * kMicro, std::memory_order_acq_rel);
  };
  const int64_t start = lag.BeginWait(clock);
  std::atomic<int> reading{2};

  const auto read = [&] {
    LagHistogram::Snapshot last;
    for (int i = 0; i < kReadings; ++i) {
      int64_t now = 0;
      const LagHistogram::Snapshot s = lag.Read([&] { return now = clock(); });
      EXPECT_EQ(s.TotalNanos(), static_cast<uint64_t>(now - start));
      EXPECT_LE(s.busy_ns, s.TotalNanos());
      EXPECT_GE(s.TotalNanos(), last.TotalNanos());
      EXPECT_GE(s.iterations, last.iterations);
      last = s;
      if (testing::Test::HasFailure()) break;
    }
    reading.fetch_sub(1, std::memory_order_release);
  };
  std::vector<std::thread> readers;
  readers.emplace_back(read);
  readers.emplace_back(read);
  uint64_t iterations = 0;
  while (reading.load(std::memory_order_acquire) > 0) {
    lag.EndWait(clock);
    lag.BeginWait(clock);
    if (++iterations % 16 == 0) std::this_thread::yield();
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(lag.Read(clock).iterations, iterations);
}

// A boundary is open from before its clock is read: a reader that comes in
// between waits for the end and sees the new phase.
TEST(LagHistogram, TheSectionOpensBeforeTheClockIsRead) {
  LagHistogram lag;
  lag.BeginWait([] { return int64_t{0}; });
  lag.EndWait([] { return kSecond; });
  std::atomic<bool> inside{false};
  std::atomic<bool> read_done{false};
  LagHistogram::Snapshot seen;
  std::thread reader([&] {
    while (!inside.load(std::memory_order_acquire)) std::this_thread::yield();
    seen = lag.Read([] { return 9 * kSecond; });
    read_done.store(true, std::memory_order_release);
  });
  lag.BeginWait([&] {
    inside.store(true, std::memory_order_release);
    // Time for the reader to go wrong; it must not finish.
    for (int i = 0; i < 2000; ++i) {
      std::this_thread::yield();
      EXPECT_FALSE(read_done.load(std::memory_order_acquire));
    }
    return 2 * kSecond;
  });
  reader.join();
  EXPECT_EQ(seen.busy_ns, uint64_t{kSecond});
  EXPECT_EQ(seen.iterations, 1u);
  EXPECT_EQ(seen.age_ns, 0u);
}

}  // namespace
}  // namespace weir
