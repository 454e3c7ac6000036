// Public. One direction of a session. It does not know which.

#ifndef PROXY_RELAY_PUMP_H_
#define PROXY_RELAY_PUMP_H_

#include <cstddef>
#include <cstdint>

#include "metrics/instrument.h"
#include "proxy/relay/buffer_pool.h"
#include "proxy/relay/transport.h"
#include "reactor/kernel.h"

namespace weir {

// Moves bytes from one transport to the other, in order, and the end of the
// stream behind them. Loop thread only.
//
// How bytes are moved is decided here, a step at a time, so that a direction
// may change its way while it runs (Move()): by a copy through the pool's
// scratch buffer, of which only what the target did not take moves into a
// borrowed one; or, when the pool's cap is reached, by peeking: what the target
// takes of it is then consumed, and the rest stays in the source's socket. A
// stalled reader so costs at most one buffer, and no session waits for the
// buffers of another.
class Pump {
 public:
  // What a call of Run() may move before others have their turn. 256 KiB are
  // four reads, 50 to 100 us on loopback.
  static constexpr size_t kBudget = 256 * 1024;

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
    Counter* copied;  // sent, whatever the forward
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
  Outcome Run(Kernel& kernel, BufferPool& pool, Transport& source,
              Transport& target, const Counters& counters, bool last);

  // Reads no more; what is buffered is still sent, but no FIN behind it.
  void StopReading() {
    if (end_ == End::kOpen || (end_ == End::kFin && !fin_sent_)) {
      end_ = End::kStopped;
    }
  }
  // Neither reads nor sends any more; what is buffered is discarded.
  void Abandon(BufferPool& pool, const Counters& counters);

  // Reads and drops (counted) what the source still sends, up to the budget,
  // and notes its end. For a drain: nobody waits for these bytes. Returns
  // whether there were any.
  bool Discard(Kernel& kernel, BufferPool& pool, Transport& source,
               const Counters& counters);

  // Whether a Run() could move something now.
  bool CanRead(const Transport& source, const Transport& target) const {
    return wants_read() && source.readable() && target.writable();
  }
  // Waits for bytes of the source (if the target would take them).
  bool wants_read() const { return end_ == End::kOpen && flushed(); }
  // Bytes wait for the target to take them: in the buffer or, when there was
  // none to borrow, still in the source's socket.
  bool wants_write(const Transport& source) const {
    return !buffer_.empty() || (wants_read() && source.readable());
  }

  End end() const { return end_; }
  bool fin_sent() const { return fin_sent_; }
  // Nothing that was read is left here.
  bool flushed() const { return buffer_.empty() && owed_ == 0; }
  size_t buffered() const { return buffer_.size(); }
  uint64_t bytes() const { return bytes_; }  // sent, in all

  // For a session that moves to another reactor.
  void Disown(BufferPool& pool) const { pool.Disown(buffer_); }
  void Adopt(BufferPool& pool) const { pool.Adopt(buffer_); }

 private:
  enum class Step : uint8_t { kMoved, kBlocked, kStarved };

  Step Move(Kernel& kernel, BufferPool& pool, Transport& source,
            Transport& target, const Counters& counters);
  Step Copy(Kernel& kernel, BufferPool& pool, Transport& source,
            Transport& target, const Counters& counters);
  Step Peek(Kernel& kernel, BufferPool& pool, Transport& source,
            Transport& target, const Counters& counters);
  // Sends what is buffered.
  Step Flush(Kernel& kernel, BufferPool& pool, Transport& target,
             const Counters& counters);
  // Consumes what was peeked and sent.
  Step Settle(Kernel& kernel, BufferPool& pool, Transport& source,
              const Counters& counters);
  Step ReadEnded(Transport::Io io, const Transport& source);
  void CountSent(size_t bytes, const Counters& counters);

  Buffer buffer_;
  uint64_t bytes_ = 0;
  uint32_t owed_ = 0;  // sent after a peek, not yet consumed
  End end_ = End::kOpen;
  bool fin_sent_ = false;
};

}  // namespace weir

#endif  // PROXY_RELAY_PUMP_H_
