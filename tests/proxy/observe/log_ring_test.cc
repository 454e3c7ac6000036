#include "proxy/observe/log_ring.h"

#include <string>
#include <thread>

#include "gtest/gtest.h"

namespace weir {
namespace {

TEST(LogRingTest, KeepsOrderTimeAndText) {
  LogRing ring(1024);
  EXPECT_TRUE(ring.empty());
  ASSERT_TRUE(ring.Push(5, "first"));
  ASSERT_TRUE(ring.Push(LogRecord::kNoTime, ""));
  EXPECT_FALSE(ring.empty());
  LogRecord record;
  ASSERT_TRUE(ring.Pop(&record));
  EXPECT_EQ(record.wall_nanos, 5);
  EXPECT_EQ(record.text, "first");
  ASSERT_TRUE(ring.Pop(&record));
  EXPECT_EQ(record.wall_nanos, LogRecord::kNoTime);
  EXPECT_EQ(record.text, "");
  EXPECT_FALSE(ring.Pop(&record));
}

TEST(LogRingTest, RefusesWhatDoesNotFitAndKeepsTheRest) {
  LogRing ring(64);
  ASSERT_TRUE(ring.Push(1, std::string(30, 'a')));
  EXPECT_FALSE(ring.Push(2, std::string(30, 'b')));
  EXPECT_FALSE(ring.Push(3, std::string(1000, 'c')));
  LogRecord record;
  ASSERT_TRUE(ring.Pop(&record));
  EXPECT_EQ(record.text, std::string(30, 'a'));
  EXPECT_TRUE(ring.Push(4, std::string(30, 'd')));
}

TEST(LogRingTest, ExactlyFull) {
  LogRing ring(64);
  ASSERT_TRUE(ring.Push(1, std::string(48, 'x')));  // and a header of 16
  EXPECT_FALSE(ring.Push(2, ""));
  LogRecord record;
  ASSERT_TRUE(ring.Pop(&record));
  EXPECT_EQ(record.text, std::string(48, 'x'));
  EXPECT_TRUE(ring.empty());
}

// Sizes that share no factor with the ring's, so that headers and texts wrap at
// every place.
TEST(LogRingTest, WrapsAnywhere) {
  LogRing ring(128);
  LogRecord record;
  for (int i = 0; i < 1000; ++i) {
    const std::string text(static_cast<size_t>(i % 37), 'a' + i % 26);
    ASSERT_TRUE(ring.Push(i, text));
    ASSERT_TRUE(ring.Pop(&record));
    ASSERT_EQ(record.wall_nanos, i);
    ASSERT_EQ(record.text, text);
  }
}

TEST(LogRingTest, TwoThreadsSeeEveryRecordInOrder) {
  constexpr int kRecords = 20'000;
  LogRing ring(256);
  std::thread producer([&ring] {
    for (int i = 0; i < kRecords;) {
      if (ring.Push(i, std::to_string(i))) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  LogRecord record;
  for (int i = 0; i < kRecords;) {
    if (!ring.Pop(&record)) {
      std::this_thread::yield();
      continue;
    }
    EXPECT_EQ(record.wall_nanos, i);
    EXPECT_EQ(record.text, std::to_string(i));
    ++i;
  }
  producer.join();
}

}  // namespace
}  // namespace weir
