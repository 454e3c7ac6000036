// Internal to proxy/observe. Lines of text from one producer thread to the log
// writer, through memory that is taken once.

#ifndef PROXY_OBSERVE_LOG_RING_H_
#define PROXY_OBSERVE_LOG_RING_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/instrument.h"

namespace weir {

// What comes out of a ring.
struct LogRecord {
  // Nanoseconds since the Unix epoch; kNoTime for a line without a time.
  static constexpr int64_t kNoTime = INT64_MIN;

  int64_t wall_nanos = kNoTime;
  std::string text;  // raw: not escaped yet
};

// One producer, one consumer, no lock, no allocation by the producer, no wait
// on either side. Records keep their order.
class LogRing {
 public:
  // `bytes` is rounded up to a power of two.
  explicit LogRing(size_t bytes);
  LogRing(const LogRing&) = delete;
  LogRing& operator=(const LogRing&) = delete;

  // Producer. False, and nothing is stored, when there is no room.
  [[nodiscard]] bool Push(int64_t wall_nanos, std::string_view text);

  // Consumer. False when the ring is empty.
  [[nodiscard]] bool Pop(LogRecord* record);

  // Consumer.
  bool empty() const;

 private:
  struct Header {
    int64_t wall_nanos;
    uint32_t size;
  };

  void CopyIn(uint64_t at, const void* data, size_t size);
  void CopyOut(uint64_t at, void* data, size_t size) const;

  // Constant; its bytes belong to the producer from tail_ on (the free part),
  // to the consumer from head_ to tail_.
  std::vector<char> bytes_;

  // Byte positions since the start; the place is the position modulo the size.
  //
  // Written by the producer. seq_cst, not just release: the producer stores it
  // and then looks whether the consumer sleeps, the consumer says that it
  // sleeps and then loads this, and one of them has to see what the other
  // wrote.
  alignas(kCacheLine) std::atomic<uint64_t> tail_{0};
  // Written by the consumer (release), which is done with what lies before.
  alignas(kCacheLine) std::atomic<uint64_t> head_{0};
};

}  // namespace weir

#endif  // PROXY_OBSERVE_LOG_RING_H_
