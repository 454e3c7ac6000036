// Public. Buffers for bytes that were read and that the other side did not
// take, under a cap in bytes.

#ifndef PROXY_RELAY_BUFFER_POOL_H_
#define PROXY_RELAY_BUFFER_POOL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "metrics/instrument.h"

namespace weir {

// A borrowed buffer and the bytes in it: one pointer, for an idle session holds
// none. Owns its memory; it goes back through BufferPool::Return().
class Buffer {
 public:
  bool borrowed() const { return block_ != nullptr; }
  bool empty() const { return size() == 0; }
  size_t size() const {
    return borrowed() ? block_->end - block_->begin : size_t{0};
  }
  // Requires that it is borrowed.
  const char* data() const { return block_->bytes + block_->begin; }

 private:
  friend class BufferPool;
  struct Block {
    uint32_t begin;
    uint32_t end;
    char bytes[64 * 1024];
  };
  std::unique_ptr<Block> block_;
};

// One reactor's. Loop thread only.
class BufferPool {
 public:
  // The size of a buffer, and of the scratch buffer that a read fills: what one
  // send left over always fits.
  static constexpr size_t kBufferSize = sizeof(Buffer::Block::bytes);

  // `cap` bounds the bytes that are lent at a time.
  explicit BufferPool(size_t cap) : cap_(cap) { free_.reserve(kKept); }

  // Where a pump reads to before it knows whether a buffer is needed. Valid
  // until the caller returns to the loop.
  std::span<char> scratch() { return {scratch_.get(), kBufferSize}; }

  // Makes sure of a buffer for the next Borrow(). False beyond the cap, unless
  // that does not matter, or without memory for it.
  bool Available(bool beyond_cap = false);

  // A buffer that holds a copy of `bytes`. Requires that Available() was true
  // just before, and bytes.size() <= kBufferSize.
  Buffer Borrow(std::span<const char> bytes);
  // The first `size` bytes of `*buffer` are sent.
  void Consume(Buffer* buffer, size_t size);
  // Takes `*buffer` back; nothing if it is not borrowed. Bytes in it are
  // dropped.
  void Return(Buffer* buffer);

  // A session moves between reactors with its buffers: Disown() at the old
  // pool, Adopt() at the new one (which may exceed its cap by it).
  void Disown(const Buffer& buffer);
  void Adopt(const Buffer& buffer);

  // Less than half of the cap is lent.
  bool HalfFree() const { return lent_ < cap_ / 2; }
  // Bytes of memory lent now.
  size_t lent() const { return lent_; }
  // Bytes in what is lent. Any thread may read it.
  const Gauge& held() const { return held_; }

 private:
  // Kept for the next loan; more is given back to the allocator.
  static constexpr size_t kKept = 16;

  const size_t cap_;
  size_t lent_ = 0;
  Gauge held_;
  std::unique_ptr<char[]> scratch_{new char[kBufferSize]};
  std::vector<std::unique_ptr<Buffer::Block>> free_;
};

}  // namespace weir

#endif  // PROXY_RELAY_BUFFER_POOL_H_
