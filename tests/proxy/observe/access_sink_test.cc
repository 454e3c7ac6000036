#include "proxy/observe/access_log/access_sink.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "proxy/observe/access_log/access_format.h"
#include "proxy/observe/access_log/access_record.h"
#include "tests/support/manual_clock.h"

namespace weir {
namespace {

class AccessSinkTest : public testing::Test {
 protected:
  AccessSink::Options Options(size_t ring_bytes = 1 << 16) {
    return {.format = AccessFormat::kLogfmt,
            .ring_bytes = ring_bytes,
            .clock = &clock_,
            .wake = [this] { ++wakes_; }};
  }
  static AccessRecord Record(uint64_t connection) {
    return {.forward = "f", .connection = connection};
  }
  static std::string All(AccessSink* sink) {
    std::string lines;
    sink->Take(SIZE_MAX, &lines);
    return lines;
  }

  ManualClock clock_;
  int wakes_ = 0;
};

TEST_F(AccessSinkTest, ALineHasTheWallTime) {
  AccessSink sink(Options());
  clock_.Advance(std::chrono::microseconds(5));
  sink.Line(Record(7));
  std::string lines = "before\n";
  EXPECT_EQ(sink.Take(SIZE_MAX, &lines), 1u);
  EXPECT_EQ(lines,
            "before\ntime=1970-01-01T01:00:00.000005Z event=close forward=f "
            "connection=7 reactor=0 duration=0.000000 bytes_up=0 bytes_down=0 "
            "reason=client_fin\n");
}

TEST_F(AccessSinkTest, TheReaderIsWokenOnceAndOnlyWhenItSleeps) {
  AccessSink sink(Options());
  sink.Line(Record(1));  // it slept from the start
  EXPECT_EQ(wakes_, 1);
  sink.Line(Record(2));
  EXPECT_EQ(wakes_, 1);
  All(&sink);
  EXPECT_TRUE(sink.empty());
  sink.Line(Record(3));
  EXPECT_EQ(wakes_, 1);
  // It came before the reader slept, who has to look again.
  EXPECT_FALSE(sink.Sleep());
  sink.Line(Record(4));
  EXPECT_EQ(wakes_, 1);
  All(&sink);
  EXPECT_TRUE(sink.Sleep());
  sink.Line(Record(5));
  EXPECT_EQ(wakes_, 2);
}

TEST_F(AccessSinkTest, ABatchEndsBehindTheLineThatFillsIt) {
  AccessSink sink(Options());
  for (int i = 1; i <= 4; ++i) sink.Line(Record(i));
  std::string batch;
  EXPECT_EQ(sink.Take(1, &batch), 1u);
  const size_t line = batch.size();
  EXPECT_EQ(sink.Take(line, &batch), 0u);
  EXPECT_EQ(sink.Take(3 * line, &batch), 2u);
  EXPECT_EQ(batch.size(), 3 * line);
  EXPECT_EQ(sink.Take(SIZE_MAX, &batch), 1u);
}

TEST_F(AccessSinkTest, WhatFindsNoRoomIsCounted) {
  AccessSink sink(Options(1024));
  for (int i = 1; i <= 50; ++i) sink.Line(Record(i));
  sink.Drop();
  std::string lines;
  const size_t taken = sink.Take(SIZE_MAX, &lines);
  EXPECT_GT(taken, 2u);
  EXPECT_EQ(taken + sink.dropped().Value(), 51u);
  EXPECT_EQ(wakes_, 1);
  sink.Line(Record(51));  // there is room again
  EXPECT_NE(All(&sink).find("connection=51 "), std::string::npos);
  EXPECT_EQ(taken + 1 + sink.dropped().Value(), 52u);
}

// A reader that sleeps whenever it may. One whose wake is lost waits for ever.
TEST(AccessSinkThreadsTest, NoWakeIsLost) {
  std::mutex mutex;
  std::condition_variable woken;
  int wakes = 0;
  AccessSink sink(
      {.format = AccessFormat::kLogfmt, .ring_bytes = 4096, .wake = [&] {
         const std::lock_guard<std::mutex> lock(mutex);
         ++wakes;
         woken.notify_one();
       }});
  constexpr uint64_t kLines = 20'000;
  uint64_t produced = kLines;
  std::thread producer([&] {
    for (uint64_t i = 1; i <= kLines; ++i) {
      sink.Line({.connection = i});
      if (i % 8 == 0) std::this_thread::yield();
    }
    // What is dropped wakes nobody, so the end is said until it is in.
    uint64_t dropped = 0;
    do {
      dropped = sink.dropped().Value();
      sink.Line({.forward = "end"});
      ++produced;
    } while (sink.dropped().Value() > dropped);
  });

  uint64_t taken = 0;
  uint64_t last = 0;
  bool ended = false;
  while (!ended) {
    std::string batch;
    taken += sink.Take(1024, &batch);
    for (size_t at = 0; at < batch.size();) {
      const size_t end = batch.find('\n', at);
      ASSERT_NE(end, std::string::npos);
      const std::string line = batch.substr(at, end - at);
      at = end + 1;
      ended |= line.find("forward=end") != std::string::npos;
      const size_t key = line.find("connection=");
      ASSERT_NE(key, std::string::npos) << line;
      const uint64_t number = std::stoull(line.substr(key + 11));
      if (number > 0) {
        EXPECT_GT(number, last);
        last = number;
      }
    }
    if (ended || !batch.empty() || !sink.Sleep()) continue;
    std::unique_lock<std::mutex> lock(mutex);
    // Sleep() said so, so it comes: the first may be of the sleep that a sink
    // begins with.
    woken.wait(lock, [&] { return wakes > 0; });
    wakes = 0;
  }
  producer.join();
  EXPECT_TRUE(sink.empty());
  EXPECT_EQ(taken + sink.dropped().Value(), produced);
}

}  // namespace
}  // namespace weir
