// Public. Buffers for bytes that were read and that the other side did not
// take, under a cap in bytes.

#ifndef PROXY_RELAY_BUFFER_POOL_H_
#define PROXY_RELAY_BUFFER_POOL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "metrics/instrument.h"

namespace weir {

// A borrowed buffer and the bytes in it. Owns its memory; it goes back through
// BufferPool::Return().
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept
      : data_(std::move(other.data_)),
        begin_(std::exchange(other.begin_, 0)),
        end_(std::exchange(other.end_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    data_ = std::move(other.data_);
    begin_ = std::exchange(other.begin_, 0);
    end_ = std::exchange(other.end_, 0);
    return *this;
  }

  bool borrowed() const { return data_ != nullptr; }
  bool empty() const { return begin_ == end_; }
  size_t size() const { return end_ - begin_; }
  const char* data() const { return data_.get() + begin_; }

 private:
  friend class BufferPool;
  std::unique_ptr<char[]> data_;
  uint32_t begin_ = 0;
  uint32_t end_ = 0;
};

// One reactor's. Loop thread only.
class BufferPool {
 public:
  // The size of a buffer, and of the scratch buffer that a read fills: what one
  // send left over always fits.
  static constexpr size_t kBufferSize = 64 * 1024;

  // `cap` bounds the bytes that are lent at a time.
  explicit BufferPool(size_t cap) : cap_(cap) { free_.reserve(kKept); }

  // Where a pump reads to before it knows whether a buffer is needed. Valid
  // until the caller returns to the loop.
  std::span<char> scratch() { return {scratch_.get(), kBufferSize}; }

  // Makes sure of a buffer for the next Borrow(). False beyond the cap, or
  // without memory for it.
  bool Available();

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
  std::vector<std::unique_ptr<char[]>> free_;
};

}  // namespace weir

#endif  // PROXY_RELAY_BUFFER_POOL_H_
