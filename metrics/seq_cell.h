// Public. A value of several words: one writing thread, any reader, no lock.

#ifndef METRICS_SEQ_CELL_H_
#define METRICS_SEQ_CELL_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <thread>
#include <type_traits>

namespace weir {

// A sequence number is odd while the value is being written; a reader that saw
// it change tries again. Store() never waits. A signal handler may write a cell
// that its own thread reads, but not one that its own thread writes.
template <class T>
class SeqCell {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  SeqCell() { Store(T{}); }
  SeqCell(const SeqCell&) = delete;
  SeqCell& operator=(const SeqCell&) = delete;

  void Store(const T& value) {
    std::array<uint64_t, kWords> words{};
    std::memcpy(words.data(), &value, sizeof(T));
    const uint32_t sequence = sequence_.load(std::memory_order_relaxed);
    sequence_.store(sequence + 1, std::memory_order_relaxed);
    for (size_t i = 0; i < kWords; ++i) {
      words_[i].store(words[i], std::memory_order_release);
    }
    sequence_.store(sequence + 2, std::memory_order_release);
  }

  T Load() const {
    for (;;) {
      std::array<uint64_t, kWords> words;
      const uint32_t before = sequence_.load(std::memory_order_acquire);
      for (size_t i = 0; i < kWords; ++i) {
        words[i] = words_[i].load(std::memory_order_acquire);
      }
      if ((before & 1) == 0 &&
          sequence_.load(std::memory_order_relaxed) == before) {
        T value;
        std::memcpy(static_cast<void*>(&value), words.data(), sizeof(T));
        return value;
      }
      // The writer may have lost its processor inside the section.
      std::this_thread::yield();
    }
  }

 private:
  static constexpr size_t kWords = (sizeof(T) + 7) / 8;

  // Release stores and acquire loads, for the number to be seen odd by whoever
  // sees one of the words; gcc has no atomic_thread_fence under thread
  // sanitizer. On x86 they are plain moves.
  std::atomic<uint32_t> sequence_{0};
  std::array<std::atomic<uint64_t>, kWords> words_{};
};

}  // namespace weir

#endif  // METRICS_SEQ_CELL_H_
