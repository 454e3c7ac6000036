// Public. One direction of a session. It does not know which.

#ifndef PROXY_RELAY_PUMP_H_
#define PROXY_RELAY_PUMP_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "metrics/instrument.h"
#include "proxy/config/forward_spec.h"
#include "proxy/observe/worker_metrics.h"
#include "proxy/relay/buffer_pool.h"
#include "proxy/relay/pipe_pool.h"
#include "proxy/relay/relay_pools.h"
#include "proxy/relay/transport.h"
#include "reactor/kernel.h"

namespace weir {

// Moves bytes from one transport to the other, in order, and the end of the
// stream behind them. Loop thread only.
//
// How bytes are moved is decided here, a step at a time, so that a direction
// changes its way while it runs (Move()):
//
// - by a copy through the pool's scratch buffer, of which only what the target
//   did not take moves into a borrowed one: best for small messages. Bulk that
//   cannot or may not be spliced is read in larger pieces;
// - by splicing through a borrowed pipe, once kStreak reads in a row were
//   large, until as many are small: best for bulk. Where no pipe is to be had
//   this step copies, and the next one tries again;
// - by peeking when the cap of the buffers is reached: what the target takes is
//   then consumed, and the rest stays in the source's socket.
//
// A stalled reader so costs at most one buffer or one pipe, and no session
// waits for what another one borrowed.
class Pump {
 public:
  // What a call of Run() moves before others have their turn, and what its last
  // read goes beyond that: 256 KiB are four reads, 50 to 100 us on loopback; a
  // large read of 512 KiB and one splice of a full pipe, up to 1 MiB, take 100
  // to 300 us.
  static constexpr size_t kBudget = 256 * 1024;

  // How many large reads in a row make a stream bulk, and how many small ones
  // make it none.
  static constexpr uint8_t kStreak = 3;
  static constexpr size_t kLargeRead = 32 * 1024;
  static constexpr size_t kSmallRead = 8 * 1024;

  enum class Outcome : uint8_t {
    kWaiting,  // for a transport; wants_read() and wants_write() say which
    kYielded,  // the budget is spent: run again behind the others
    kStarved,  // the kernel is short of memory: run again in a while
  };

  // Where the bytes are counted. One owner writes them (the session's reactor).
  struct Counters {
    Counter* received;
    Counter* sent;
    Counter* discarded;
    Counter* relayed;  // kRelayPathNames.size() of them: sent, by path
  };

  // Where it works; not kept, for an idle session must stay small.
  struct Site {
    Kernel* kernel;
    RelayPools* pools;
    Counters counters;
    SpliceMode splice;
  };

  // How the stream of the source stands.
  enum class End : uint8_t {
    kOpen,
    kFin,      // FIN read; ShutdownWrite() follows once all is sent
    kReset,    // all that came before a reset was read; nothing follows
    kStopped,  // Stop(): not read any more
  };

  // Moves what can be moved within the budget. When the target fails, what was
  // read and not sent is discarded (and counted), and the target's error() says
  // why. `last`: the other direction is over, so the end of this one is told by
  // the close that follows.
  Outcome Run(const Site& site, Transport& source, Transport& target,
              bool last);

  // While there is no target yet: reads once, into a borrowed buffer, and notes
  // an end. With half of the buffers lent it does nothing. Returns false when
  // nothing was there to read.
  bool Prime(const Site& site, Transport& source);
  // What is buffered. `bytes` of it were sent by somebody else.
  std::span<const char> pending() const {
    if (buffer_.empty()) return {};
    return {buffer_.data(), buffer_.size()};
  }
  void Sent(const Site& site, size_t bytes);

  // Reads no more; what is buffered is still sent, but no FIN behind it.
  void StopReading() {
    if (end_ == End::kOpen || (end_ == End::kFin && !fin_sent_)) {
      end_ = End::kStopped;
    }
  }
  // Neither reads nor sends any more; what is buffered is discarded.
  void Abandon(const Site& site);

  // Reads and drops (counted) what the source still sends, up to the budget,
  // and notes its end. For a drain: nobody waits for these bytes. Returns
  // whether there were any.
  bool Discard(const Site& site, Transport& source);

  // Whether a Run() would do anything now.
  bool HasWork(const Transport& source, const Transport& target) const {
    if (owed_ > 0) return true;
    if (buffered() > 0) return target.writable();
    return CanRead(source, target) || (end_ == End::kFin && !fin_sent_);
  }
  // Whether a Run() could read something now.
  bool CanRead(const Transport& source, const Transport& target) const {
    return wants_read() && source.readable() && target.writable();
  }
  // Waits for bytes of the source (if the target would take them).
  bool wants_read() const { return end_ == End::kOpen && flushed(); }
  // Bytes wait for the target to take them: in the buffer or the pipe or, when
  // there was none to borrow, still in the source's socket.
  bool wants_write(const Transport& source) const {
    return buffered() > 0 || (wants_read() && source.readable());
  }

  End end() const { return end_; }
  bool fin_sent() const { return fin_sent_; }
  // Nothing that was read is left here.
  bool flushed() const { return buffered() == 0 && owed_ == 0; }
  size_t buffered() const {
    return buffer_.size() + (pipe_ == nullptr ? 0 : pipe_->size());
  }
  uint64_t bytes() const { return bytes_; }  // sent, in all
  // Its last reads were large.
  bool bulk() const { return bulk_; }
  // How the last bytes were read.
  RelayPath path() const {
    return spliced_ ? RelayPath::kSplice : RelayPath::kCopy;
  }

  // For a session that moves to another reactor.
  void Disown(RelayPools& pools) const;
  void Adopt(RelayPools& pools) const;

 private:
  enum class Step : uint8_t { kMoved, kBlocked, kStarved };

  Step Move(const Site& site, Transport& source, Transport& target);
  Step Splice(const Site& site, Transport& source, Transport& target);
  Step CopyOrPeek(const Site& site, Transport& source, Transport& target);
  // Reads up to `size`, of which a buffer is available.
  Step Copy(const Site& site, Transport& source, Transport& target,
            size_t size);
  Step Peek(const Site& site, Transport& source, Transport& target);
  // Sends what is buffered.
  Step Flush(const Site& site, Transport& target);
  // Sends what is in the pipe.
  Step Drain(const Site& site, Transport& target);
  // Takes bytes out of a pipe that the target does not take them from.
  Step Spill(const Site& site);
  // Consumes what was peeked and sent.
  Step Settle(const Site& site, Transport& source);
  Step ReadEnded(Transport::Io io, const Transport& source);
  void CountSent(size_t bytes, RelayPath path, const Site& site);
  // A read brought this much: is the stream bulk?
  void Judge(size_t bytes);
  // The kernel does not splice these sockets, now and ever.
  void RefuseSplice(const Site& site);

  Buffer buffer_;  // what is in it came before what is in the pipe
  PipePtr pipe_;
  uint64_t bytes_ = 0;
  uint32_t owed_ = 0;  // sent after a peek, not yet consumed
  End end_ = End::kOpen;
  uint8_t streak_ : 2 = 0;  // reads in a row that speak for a change
  bool fin_sent_ : 1 = false;
  bool bulk_ : 1 = false;
  bool spliced_ : 1 = false;
  bool refused_ : 1 = false;  // RefuseSplice()
  uint8_t pipe_window_ = 0;   // see PipePool::Borrow()
};

}  // namespace weir

#endif  // PROXY_RELAY_PUMP_H_
