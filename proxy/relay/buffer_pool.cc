#include "proxy/relay/buffer_pool.h"

#include <cstring>
#include <new>
#include <utility>

#include "glog/logging.h"

namespace weir {

bool BufferPool::Available(bool beyond_cap) {
  if (!beyond_cap && lent_ + kBufferSize > cap_) return false;
  if (!free_.empty()) return true;
  // Not zeroed: pages that no byte reaches cost nothing.
  std::unique_ptr<Buffer::Block> block(new (std::nothrow) Buffer::Block);
  if (block == nullptr) return false;
  free_.push_back(std::move(block));
  return true;
}

Buffer BufferPool::Borrow(std::span<const char> bytes) {
  DCHECK(!free_.empty());
  DCHECK_LE(bytes.size(), kBufferSize);
  Buffer buffer;
  buffer.block_ = std::move(free_.back());
  free_.pop_back();
  lent_ += kBufferSize;
  std::memcpy(buffer.block_->bytes, bytes.data(), bytes.size());
  buffer.block_->begin = 0;
  buffer.block_->end = static_cast<uint32_t>(bytes.size());
  held_.Add(static_cast<int64_t>(bytes.size()));
  return buffer;
}

void BufferPool::Consume(Buffer* buffer, size_t size) {
  buffer->block_->begin += static_cast<uint32_t>(size);
  held_.Add(-static_cast<int64_t>(size));
}

void BufferPool::Return(Buffer* buffer) {
  if (!buffer->borrowed()) return;
  lent_ -= kBufferSize;
  held_.Add(-static_cast<int64_t>(buffer->size()));
  if (free_.size() < kKept) free_.push_back(std::move(buffer->block_));
  buffer->block_.reset();
}

void BufferPool::Disown(const Buffer& buffer) {
  if (!buffer.borrowed()) return;
  lent_ -= kBufferSize;
  held_.Add(-static_cast<int64_t>(buffer.size()));
}

void BufferPool::Adopt(const Buffer& buffer) {
  if (!buffer.borrowed()) return;
  lent_ += kBufferSize;
  held_.Add(static_cast<int64_t>(buffer.size()));
}

}  // namespace weir
