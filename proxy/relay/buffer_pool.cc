#include "proxy/relay/buffer_pool.h"

#include <cstring>

#include "glog/logging.h"

namespace weir {

Buffer BufferPool::Borrow(std::span<const char> bytes) {
  DCHECK(available());
  DCHECK_LE(bytes.size(), kBufferSize);
  Buffer buffer;
  if (free_.empty()) {
    // Not zeroed: pages that no byte reaches cost nothing.
    buffer.data_.reset(new char[kBufferSize]);
  } else {
    buffer.data_ = std::move(free_.back());
    free_.pop_back();
  }
  lent_ += kBufferSize;
  std::memcpy(buffer.data_.get(), bytes.data(), bytes.size());
  buffer.end_ = static_cast<uint32_t>(bytes.size());
  return buffer;
}

void BufferPool::Return(Buffer* buffer) {
  if (!buffer->borrowed()) return;
  lent_ -= kBufferSize;
  if (free_.size() < kKept) free_.push_back(std::move(buffer->data_));
  *buffer = Buffer();
}

void BufferPool::Disown(const Buffer& buffer) {
  if (buffer.borrowed()) lent_ -= kBufferSize;
}

void BufferPool::Adopt(const Buffer& buffer) {
  if (buffer.borrowed()) lent_ += kBufferSize;
}

}  // namespace weir
