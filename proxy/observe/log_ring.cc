#include "proxy/observe/log_ring.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace weir {

LogRing::LogRing(size_t bytes) : bytes_(std::bit_ceil(bytes)) {}

void LogRing::CopyIn(uint64_t at, const void* data, size_t size) {
  const size_t begin = at & (bytes_.size() - 1);
  const size_t first = std::min(size, bytes_.size() - begin);
  std::memcpy(bytes_.data() + begin, data, first);
  std::memcpy(bytes_.data(), static_cast<const char*>(data) + first,
              size - first);
}

void LogRing::CopyOut(uint64_t at, void* data, size_t size) const {
  const size_t begin = at & (bytes_.size() - 1);
  const size_t first = std::min(size, bytes_.size() - begin);
  std::memcpy(data, bytes_.data() + begin, first);
  std::memcpy(static_cast<char*>(data) + first, bytes_.data(), size - first);
}

bool LogRing::Push(int64_t wall_nanos, std::string_view text) {
  const Header header{wall_nanos, static_cast<uint32_t>(text.size())};
  // Only this thread stores tail_.
  const uint64_t tail = tail_.load(std::memory_order_relaxed);
  const uint64_t used = tail - head_.load(std::memory_order_acquire);
  if (sizeof(header) + text.size() > bytes_.size() - used) return false;
  CopyIn(tail, &header, sizeof(header));
  CopyIn(tail + sizeof(header), text.data(), text.size());
  tail_.store(tail + sizeof(header) + text.size(), std::memory_order_seq_cst);
  return true;
}

bool LogRing::Pop(LogRecord* record) {
  if (empty()) return false;
  // Only this thread stores head_.
  const uint64_t head = head_.load(std::memory_order_relaxed);
  Header header;
  CopyOut(head, &header, sizeof(header));
  record->wall_nanos = header.wall_nanos;
  record->text.resize(header.size);
  CopyOut(head + sizeof(header), record->text.data(), header.size);
  head_.store(head + sizeof(header) + header.size, std::memory_order_release);
  return true;
}

bool LogRing::empty() const {
  return tail_.load(std::memory_order_seq_cst) ==
         head_.load(std::memory_order_relaxed);
}

}  // namespace weir
