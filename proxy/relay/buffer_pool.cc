#include "proxy/relay/buffer_pool.h"

#include <cstring>
#include <new>
#include <utility>

#include "glog/logging.h"

namespace weir {

bool BufferPool::Available(bool beyond_cap, size_t size) {
  if (!beyond_cap && lent_ + size > cap_) return false;
  Blocks& free = size == kLargeSize ? free_large_ : free_;
  if (!free.empty()) return true;
  // Not zeroed: pages that no byte reaches cost nothing.
  void* const memory =
      ::operator new(sizeof(Buffer::Block) + size, std::nothrow);
  if (memory == nullptr) return false;
  free.emplace_back(new (memory)
                        Buffer::Block{static_cast<uint32_t>(size), 0, 0});
  return true;
}

size_t BufferPool::ReadSize(bool bulk) {
  if (bulk && lent_ + kLargeSize <= cap_ / 2 &&
      Available(/*beyond_cap=*/false, kLargeSize)) {
    return kLargeSize;
  }
  return Available() ? kBufferSize : 0;
}

Buffer BufferPool::Borrow(std::span<const char> bytes) {
  // What is left of a large read is mostly small.
  const bool small =
      bytes.size() <= kBufferSize && Available(/*beyond_cap=*/true);
  Blocks& free = small ? free_ : free_large_;
  DCHECK(!free.empty());
  Buffer buffer;
  buffer.block_ = std::move(free.back());
  free.pop_back();
  Buffer::Block& block = *buffer.block_;
  DCHECK_LE(bytes.size(), block.capacity);
  lent_ += block.capacity;
  std::memcpy(block.bytes(), bytes.data(), bytes.size());
  block.begin = 0;
  block.end = static_cast<uint32_t>(bytes.size());
  held_.Add(static_cast<int64_t>(bytes.size()));
  return buffer;
}

void BufferPool::Consume(Buffer* buffer, size_t size) {
  buffer->block_->begin += static_cast<uint32_t>(size);
  held_.Add(-static_cast<int64_t>(size));
}

void BufferPool::Return(Buffer* buffer) {
  if (!buffer->borrowed()) return;
  const size_t capacity = buffer->block_->capacity;
  lent_ -= capacity;
  held_.Add(-static_cast<int64_t>(buffer->size()));
  const bool large = capacity == kLargeSize;
  Blocks& free = large ? free_large_ : free_;
  if (free.size() < (large ? kKeptLarge : kKept)) {
    free.push_back(std::move(buffer->block_));
  }
  buffer->block_.reset();
}

void BufferPool::Disown(const Buffer& buffer) {
  if (!buffer.borrowed()) return;
  lent_ -= buffer.block_->capacity;
  held_.Add(-static_cast<int64_t>(buffer.size()));
}

void BufferPool::Adopt(const Buffer& buffer) {
  if (!buffer.borrowed()) return;
  lent_ += buffer.block_->capacity;
  held_.Add(static_cast<int64_t>(buffer.size()));
}

}  // namespace weir
