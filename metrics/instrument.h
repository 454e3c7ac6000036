// Public. Instruments of the hot path: one writing thread, any reader.
//
// Whoever writes instruments keeps all of its own in one struct, a shard, that
// is aligned to kCacheLine, so that no other writer's stores touch its lines:
//
//   struct alignas(kCacheLine) RelayShard {
//     Counter received_bytes;
//     Gauge buffered_bytes;
//   };
//
// alignas also rounds the size up, so an array of shards shares no line either.
// The registry sums the shards when it is scraped.

#ifndef METRICS_INSTRUMENT_H_
#define METRICS_INSTRUMENT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace weir {

// Two lines of x86-64, because its prefetcher fetches them in pairs; one line
// of the largest arm64 machines. Not
// std::hardware_destructive_interference_size: that changes with the compiler's
// flags, and gcc warns of it in a header.
inline constexpr size_t kCacheLine = 128;

// Counts up. Add() by exactly one thread, Value() by any.
class Counter {
 public:
  Counter() = default;
  Counter(const Counter&) = delete;
  Counter& operator=(const Counter&) = delete;

  void Add(uint64_t n = 1) {
    // A load and a store, no locked instruction: there is no other writer.
    value_.store(value_.load(std::memory_order_relaxed) + n,
                 std::memory_order_relaxed);
  }

  // May be a little old. Says nothing about other memory of the writer.
  uint64_t Value() const { return value_.load(std::memory_order_relaxed); }

 private:
  // Relaxed: a number for people, it publishes nothing.
  std::atomic<uint64_t> value_{0};
};

// Goes up and down. Set() and Add() by exactly one thread, Value() by any.
// Signed: where a thing is opened on one shard and closed on another, only the
// sum of the shards is meaningful.
class Gauge {
 public:
  Gauge() = default;
  Gauge(const Gauge&) = delete;
  Gauge& operator=(const Gauge&) = delete;

  void Set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void Add(int64_t n) {
    value_.store(value_.load(std::memory_order_relaxed) + n,
                 std::memory_order_relaxed);
  }
  int64_t Value() const { return value_.load(std::memory_order_relaxed); }

 private:
  // Relaxed: as in Counter.
  std::atomic<int64_t> value_{0};
};

}  // namespace weir

#endif  // METRICS_INSTRUMENT_H_
