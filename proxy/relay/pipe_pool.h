// Public. Pipes for bytes that go from socket to socket without passing through
// this process (splice(2)).

#ifndef PROXY_RELAY_PIPE_POOL_H_
#define PROXY_RELAY_PIPE_POOL_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "metrics/instrument.h"
#include "proxy/observe/splice_metrics.h"
#include "reactor/clock.h"
#include "reactor/fd.h"
#include "reactor/kernel.h"
#include "reactor/reactor.h"
#include "reactor/timer_wheel.h"

namespace weir {

// A pipe and how many bytes are in it. Owned by whoever borrowed it; it goes
// back through PipePool::Return().
class Pipe {
 public:
  Pipe(UniqueFd read_end, UniqueFd write_end, size_t capacity)
      : read_end_(std::move(read_end)),
        write_end_(std::move(write_end)),
        capacity_(capacity) {}

  int read_end() const { return read_end_.get(); }
  int write_end() const { return write_end_.get(); }
  // In bytes, of full pages: small pieces fill it sooner.
  size_t capacity() const { return capacity_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  friend class PipePool;
  UniqueFd read_end_;
  UniqueFd write_end_;
  size_t capacity_;
  size_t size_ = 0;
};
using PipePtr = std::unique_ptr<Pipe>;

// One reactor's. Loop thread only, but for the constructor.
//
// A pipe is lent only while bytes are in it. How large one is follows from how
// many streams borrowed within the last tenth of a second: they share the
// memory that the pool may use, each between kSmallest and kLargest, for a
// splice moves at most a pipe's capacity and costs the less the more it moves.
// What slow readers hold, perhaps for ever, is taken from it; and the more they
// are, the smaller are the next pipes, so that there are some for long.
// Where the kernel refuses a size (an unprivileged user has 64 pipes of 1 MiB,
// pipe-user-pages-soft) the pipe stays smaller; what the kernel refuses at all
// is asked for again a tenth of a second later. Empty pipes are kept while
// there are streams for them and closed soon after.
class PipePool : private Timer {
 public:
  static constexpr size_t kSmallest = 64 * 1024;
  static constexpr size_t kLargest = 1024 * 1024;
  // Of all pipes of the process, unless the kernel's limit for a user is lower.
  static constexpr size_t kMemory = 64 << 20;

  struct Options {
    Reactor* reactor = nullptr;  // outlives the pool
    size_t max_pipes = 0;        // lent and kept, each of two descriptors
    size_t memory = kMemory;     // bytes, of all of them
  };

  explicit PipePool(const Options& options);

  // An empty pipe; or null, and the bytes have to be copied: counted each time,
  // but in a pool that may have none at all. `*window` belongs to the stream,
  // zero at first: by it a stream is told from those that borrowed already.
  PipePtr Borrow(uint8_t* window);
  // Takes a pipe back. One with bytes in it is closed with them.
  void Return(PipePtr pipe);

  // `size` bytes came into or left a lent pipe.
  void Filled(Pipe* pipe, size_t size);
  void Drained(Pipe* pipe, size_t size);

  // A stream moves between reactors with its pipe, or null: Disown() at the old
  // pool, Adopt() at the new one (which may exceed its cap by it).
  void Disown(const PipePtr& pipe);
  void Adopt(const PipePtr& pipe);

  // Splicing was not possible, or not as it should be.
  void Count(SpliceFallback reason) { metrics_.Count(reason); }

  // How large a pipe should be now.
  size_t WantedSize() const;
  size_t lent() const { return lent_; }
  size_t kept() const { return free_.size(); }
  // Any thread may read it.
  const SpliceMetrics& metrics() const { return metrics_; }

 private:
  // How long a stream counts, and a refusal of the kernel.
  static constexpr Duration kWindow = std::chrono::milliseconds(100);
  // As how many streams one counts that a pipe is lent to. With 64 MiB the
  // first 17 that stall hold 1 MiB each, and there is some for 497; with 1 it
  // were 64 and none for a 65th.
  static constexpr size_t kStalledWeight = 4;

  void OnTimer() noexcept override;
  void CountStream(uint8_t* window);
  PipePtr Make();
  PipePtr Refuse(SpliceFallback reason);
  // What lent pipes leave of the memory.
  size_t MemoryLeft() const {
    return memory_ - std::min(memory_, lent_memory_);
  }
  // Makes `*pipe`, which is empty, as large as wanted, or nearly.
  void Resize(Pipe* pipe);
  void ShowPipes();

  Reactor* const reactor_;
  const size_t max_pipes_;
  const size_t memory_;
  size_t lent_ = 0;
  size_t lent_memory_ = 0;  // capacity of those
  std::vector<PipePtr> free_;
  // Streams that borrowed in this window and in the one before.
  size_t streams_ = 0;
  size_t last_streams_ = 0;
  uint8_t window_ = 1;
  // Why the kernel made no pipe in this window, and whether it refused a size.
  std::optional<SpliceFallback> refused_;
  bool size_refused_ = false;
  SpliceMetrics metrics_;
};

// The bytes that the pipes of this process should have at most: kMemory, or
// what the kernel gives a user (/proc/sys/fs/pipe-user-pages-soft).
size_t PipeMemory();

}  // namespace weir

#endif  // PROXY_RELAY_PIPE_POOL_H_
