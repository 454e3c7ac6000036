#include "proxy/relay/buffer_pool.h"

#include <cstddef>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace weir {
namespace {

constexpr size_t kSize = BufferPool::kBufferSize;
constexpr size_t kLarge = BufferPool::kLargeSize;

std::string_view TextOf(const Buffer& buffer) {
  return {buffer.data(), buffer.size()};
}

Buffer Take(BufferPool& pool, std::span<const char> bytes) {
  EXPECT_TRUE(pool.Available());
  return pool.Borrow(bytes);
}

// What stands in for a machine without memory.
bool out_of_memory = false;

TEST(BufferPoolTest, ABufferHoldsACopy) {
  BufferPool pool(kSize);
  std::string bytes = "weir";
  Buffer buffer = Take(pool, bytes);
  bytes = "gone";
  EXPECT_TRUE(buffer.borrowed());
  EXPECT_EQ(TextOf(buffer), "weir");
  pool.Consume(&buffer, 3);
  EXPECT_EQ(TextOf(buffer), "r");
  EXPECT_FALSE(buffer.empty());
  pool.Consume(&buffer, 1);
  EXPECT_TRUE(buffer.empty());
  EXPECT_TRUE(buffer.borrowed());  // until it is returned
  pool.Return(&buffer);
  EXPECT_FALSE(buffer.borrowed());
  EXPECT_TRUE(buffer.empty());
}

TEST(BufferPoolTest, WhatOneReadFillsFits) {
  BufferPool pool(kSize);
  ASSERT_EQ(pool.scratch().size(), kSize);
  for (size_t i = 0; i < kSize; ++i) {
    pool.scratch()[i] = static_cast<char>(i % 251);
  }
  Buffer buffer = Take(pool, pool.scratch());
  EXPECT_EQ(TextOf(buffer), std::string_view(pool.scratch().data(), kSize));
  pool.Return(&buffer);
}

TEST(BufferPoolTest, LendsUpToTheCap) {
  BufferPool pool(3 * kSize - 1);
  EXPECT_EQ(pool.lent(), 0u);
  Buffer first = Take(pool, std::string_view("1"));
  EXPECT_EQ(pool.lent(), kSize);
  EXPECT_TRUE(pool.Available());
  Buffer second = Take(pool, std::string_view("2"));
  EXPECT_FALSE(pool.Available());
  pool.Return(&first);
  EXPECT_EQ(pool.lent(), kSize);
  EXPECT_TRUE(pool.Available());
  pool.Return(&first);  // is not borrowed any more
  EXPECT_EQ(pool.lent(), kSize);
  pool.Return(&second);
  EXPECT_EQ(pool.lent(), 0u);
}

TEST(BufferPoolTest, ACapBelowOneBufferLendsNone) {
  EXPECT_FALSE(BufferPool(kSize - 1).Available());
  EXPECT_TRUE(BufferPool(kSize).Available());
}

TEST(BufferPoolTest, WhatIsReturnedIsLentAgain) {
  BufferPool pool(kSize);
  Buffer buffer = Take(pool, std::string_view("first, and longer"));
  const char* const memory = buffer.data();
  pool.Consume(&buffer, 2);
  pool.Return(&buffer);
  buffer = Take(pool, std::string_view("second"));
  EXPECT_EQ(buffer.data(), memory);
  EXPECT_EQ(TextOf(buffer), "second");
  pool.Return(&buffer);
}

TEST(BufferPoolTest, ManyComeAndGo) {
  // More than the pool keeps.
  constexpr size_t kMany = 40;
  BufferPool pool(kMany * kSize);
  for (int round = 0; round < 3; ++round) {
    std::vector<Buffer> buffers;
    for (size_t i = 0; i < kMany; ++i) {
      ASSERT_TRUE(pool.Available());
      buffers.push_back(Take(pool, std::to_string(i)));
    }
    EXPECT_FALSE(pool.Available());
    for (size_t i = 0; i < kMany; ++i) {
      EXPECT_EQ(TextOf(buffers[i]), std::to_string(i));
      pool.Return(&buffers[i]);
    }
    EXPECT_EQ(pool.lent(), 0u);
  }
}

TEST(BufferPoolTest, BulkReadsMoreWhileHalfOfTheCapIsFree) {
  BufferPool pool(4 * kLarge);
  EXPECT_EQ(pool.ReadSize(/*bulk=*/false), kSize);
  std::vector<Buffer> buffers;
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(pool.ReadSize(/*bulk=*/true), kLarge);
    const std::span<char> read = pool.scratch(kLarge);
    read.back() = static_cast<char>('0' + i);
    buffers.push_back(pool.Borrow(read));
    EXPECT_EQ(buffers.back().size(), kLarge);
  }
  EXPECT_EQ(pool.lent(), 2 * kLarge);
  EXPECT_EQ(pool.held().Value(), static_cast<int64_t>(2 * kLarge));
  EXPECT_EQ(pool.ReadSize(/*bulk=*/true), kSize);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(TextOf(buffers[i]).back(), '0' + i);
  for (Buffer& buffer : buffers) pool.Return(&buffer);
  EXPECT_EQ(pool.lent(), 0u);
  EXPECT_EQ(pool.ReadSize(/*bulk=*/true), kLarge);
}

TEST(BufferPoolTest, NothingIsReadBeyondTheCap) {
  BufferPool pool(kSize);
  Buffer buffer = Take(pool, std::string_view("weir"));
  EXPECT_EQ(pool.ReadSize(/*bulk=*/false), 0u);
  EXPECT_EQ(pool.ReadSize(/*bulk=*/true), 0u);
  pool.Return(&buffer);
}

TEST(BufferPoolTest, WhatIsLeftOfALargeReadTakesNoMoreThanItNeeds) {
  BufferPool pool(2 * kLarge);
  ASSERT_EQ(pool.ReadSize(/*bulk=*/true), kLarge);
  Buffer small = pool.Borrow(pool.scratch(kSize));
  EXPECT_EQ(pool.lent(), kSize);
  pool.Return(&small);
  ASSERT_EQ(pool.ReadSize(/*bulk=*/true), kLarge);
  Buffer large = pool.Borrow(pool.scratch(kSize + 1));
  EXPECT_EQ(pool.lent(), kLarge);
  pool.Return(&large);
}

TEST(BufferPoolTest, ALargeBufferStandsInForASmallOneThatIsNotToBeHad) {
  BufferPool pool(2 * kLarge);
  ASSERT_EQ(pool.ReadSize(/*bulk=*/true), kLarge);
  out_of_memory = true;
  Buffer buffer = pool.Borrow(std::string_view("weir"));
  EXPECT_EQ(TextOf(buffer), "weir");
  EXPECT_EQ(pool.lent(), kLarge);
  EXPECT_EQ(pool.ReadSize(/*bulk=*/true), 0u);
  pool.Return(&buffer);
  EXPECT_EQ(pool.ReadSize(/*bulk=*/true), kLarge) << "one came back";
  out_of_memory = false;
}

TEST(BufferPoolTest, AMoveTakesTheBytesAlong) {
  BufferPool pool(kSize);
  Buffer from = Take(pool, std::string_view("weir"));
  pool.Consume(&from, 1);
  Buffer to = std::move(from);
  EXPECT_FALSE(from.borrowed());  // NOLINT(bugprone-use-after-move)
  EXPECT_TRUE(from.empty());
  EXPECT_EQ(TextOf(to), "eir");
  EXPECT_EQ(pool.lent(), kSize);
  pool.Return(&to);
}

TEST(BufferPoolTest, ABufferMayChangeItsPool) {
  BufferPool old_pool(kSize);
  BufferPool new_pool(kSize);
  Buffer own = Take(new_pool, std::string_view("own"));
  Buffer moving = Take(old_pool, std::string_view("moving"));
  old_pool.Disown(moving);
  EXPECT_EQ(old_pool.lent(), 0u);
  new_pool.Adopt(moving);  // beyond the cap
  EXPECT_EQ(new_pool.lent(), 2 * kSize);
  EXPECT_FALSE(new_pool.Available());
  EXPECT_EQ(TextOf(moving), "moving");
  new_pool.Return(&moving);
  EXPECT_FALSE(new_pool.Available());
  new_pool.Return(&own);
  EXPECT_TRUE(new_pool.Available());
}

TEST(BufferPoolTest, NothingChangesThePoolWithoutABuffer) {
  BufferPool pool(kSize);
  const Buffer none;
  pool.Disown(none);
  EXPECT_EQ(pool.lent(), 0u);
  pool.Adopt(none);
  EXPECT_EQ(pool.lent(), 0u);
}

TEST(BufferPoolTest, WithoutMemoryThereIsNoneAndLaterThereIs) {
  BufferPool pool(2 * kSize);
  Buffer first = Take(pool, std::string_view("weir"));
  out_of_memory = true;
  EXPECT_FALSE(pool.Available());
  pool.Return(&first);
  EXPECT_TRUE(pool.Available()) << "one came back";
  first = pool.Borrow(std::string_view("again"));
  EXPECT_FALSE(pool.Available());
  out_of_memory = false;
  EXPECT_TRUE(pool.Available());
  pool.Return(&first);
}

}  // namespace
}  // namespace weir

void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return weir::out_of_memory ? nullptr : ::operator new(size);
}
