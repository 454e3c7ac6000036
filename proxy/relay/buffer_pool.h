// Public. Buffers for bytes that were read and that the other side did not
// take, under a cap in bytes.

#ifndef PROXY_RELAY_BUFFER_POOL_H_
#define PROXY_RELAY_BUFFER_POOL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
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
  const char* data() const { return block_->bytes() + block_->begin; }

 private:
  friend class BufferPool;
  // The bytes follow it in memory.
  struct Block {
    char* bytes() { return reinterpret_cast<char*>(this + 1); }

    uint32_t capacity;
    uint32_t begin;
    uint32_t end;
  };
  struct Free {
    void operator()(Block* block) const { ::operator delete(block); }
  };
  using BlockPtr = std::unique_ptr<Block, Free>;

  BlockPtr block_;
};

// One reactor's. Loop thread only.
class BufferPool {
 public:
  // The sizes of a buffer, and what a read fills of the scratch buffer: what
  // one send left over always fits. The large one is for bulk: a byte costs
  // about half as much in calls that move so many.
  static constexpr size_t kBufferSize = 64 * 1024;
  static constexpr size_t kLargeSize = 512 * 1024;

  // `cap` bounds the bytes that are lent at a time.
  explicit BufferPool(size_t cap) : cap_(cap) {
    free_.reserve(kKept);
    free_large_.reserve(kKeptLarge);
  }

  // Where a pump reads to before it knows whether a buffer is needed. Valid
  // until the caller returns to the loop. `size` is at most kLargeSize.
  std::span<char> scratch(size_t size = kBufferSize) {
    return {scratch_.get(), size};
  }

  // Makes sure of a buffer of `size` (one of the two) for the next Borrow().
  // False beyond the cap, unless that does not matter, or without memory.
  bool Available(bool beyond_cap = false, size_t size = kBufferSize);

  // How much the next read may bring: Available() is true for that. Large for
  // `bulk` as long as half of the cap stays free of it; 0 beyond the cap.
  size_t ReadSize(bool bulk);

  // A buffer that holds a copy of `bytes`, not larger than they need. Requires
  // that Available() was true of their size just before.
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
  using Blocks = std::vector<Buffer::BlockPtr>;

  // Kept for the next loan; more is given back to the allocator.
  static constexpr size_t kKept = 16;
  static constexpr size_t kKeptLarge = 4;

  const size_t cap_;
  size_t lent_ = 0;
  Gauge held_;
  // Pages that no read reaches cost nothing.
  std::unique_ptr<char[]> scratch_{new char[kLargeSize]};
  Blocks free_;
  Blocks free_large_;
};

}  // namespace weir

#endif  // PROXY_RELAY_BUFFER_POOL_H_
