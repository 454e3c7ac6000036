// Public. Takes connections from one listening socket on one reactor.

#ifndef PROXY_RELAY_ACCEPTOR_H_
#define PROXY_RELAY_ACCEPTOR_H_

#include <cstddef>
#include <cstdint>

#include "proxy/relay/accept_metrics.h"
#include "proxy/relay/admission.h"
#include "reactor/address.h"
#include "reactor/callback_kind.h"
#include "reactor/clock.h"
#include "reactor/fd.h"
#include "reactor/reactor.h"
#include "reactor/timer_wheel.h"

namespace weir {

// Whom an acceptor gives its connections. Loop thread only.
class AcceptorHost {
 public:
  virtual Reactor& reactor() = 0;
  virtual Admission& admission() = 0;
  // A connection came; its place in the admission is the host's now.
  virtual void OnAccepted(size_t forward, UniqueFd fd, FdKind kind,
                          const Address& client) = 0;
  // Nothing is accepted for a while. `error`: an errno, or 0 at the limit of
  // connections.
  virtual void OnAcceptPaused(size_t forward, int error) = 0;
  virtual AcceptMetrics& accept_metrics() = 0;

 protected:
  ~AcceptorHost() = default;
};

// Loop thread only, but for the constructor. Several acceptors, one a reactor,
// may share a socket.
//
// How many one event accepts: as many as came together lately, for to ask once
// more whether there are others costs a call, and a level-triggered listener
// says so by itself in the next round. Where events bring no end of them for a
// while, the number is doubled, up to kBatch; where one brings fewer, it is
// that.
//
// Accept errors (accept(2)): a connection that died in the queue is counted and
// passed over; where the machine is short of descriptors or memory, or the
// limit of connections is reached, the listener leaves the poller, for a level
// that stays up would spin, and comes back by a timer (10 ms, doubled to 100
// ms), at the limit also when a session of this reactor ends. The kernel's
// backlog holds the clients meanwhile.
class Acceptor final : public EventHandler, private Timer {
 public:
  // What one event may accept before others have their turn: more wakes of this
  // loop, fewer of those that share the socket.
  static constexpr int kBatch = 32;

  // `fd` stays the caller's and outlives Stop()'s `done`.
  Acceptor(AcceptorHost* host, size_t forward, int fd, FdKind kind);

  void Start();
  // Accepts what is queued, then leaves the socket alone for ever; `done` runs
  // when the poller has let go of it.
  void Stop(Task done);
  // For an acceptor that was never started, or stopped: accepts what is queued,
  // here and now.
  void TakeQueue();
  // A session of this reactor ended: there is room again under the limit of
  // connections. A pause for want of descriptors or memory keeps its time.
  void OnRoom();
  // A session found no descriptor for its upstream (`error`): to accept more
  // would only reset the clients that wait.
  void OnShortage(int error) { Pause(error); }
  // It waits for OnRoom().
  bool at_limit() const { return at_limit_; }

 private:
  enum class State : uint8_t { kListening, kLeaving, kPaused, kStopped };

  void OnReady(Ready ready) noexcept override;
  void OnTimer() noexcept override;

  // For the loop's account of what it does.
  Subject subject() const { return {static_cast<uint32_t>(forward_), 0}; }
  // Accepts up to `enough` connections, and meets up to `limit` that are dead.
  // Returns whether it came to `enough`.
  bool AcceptBatch(int enough, int limit);
  // What an errno means. True: go on.
  bool Survive(int error);
  void Listen();
  void Pause(int error);
  // The poller has let go of the socket.
  void Left();

  AcceptorHost* const host_;
  const size_t forward_;
  const int fd_;
  const FdKind kind_;
  Handle handle_ = Handle::kNone;
  State state_ = State::kStopped;
  Duration delay_;
  // The limit of connections paused it, and it has accepted none since.
  bool at_limit_ = false;
  int usual_ = 1;        // what an event may accept; at most kBatch
  int full_in_row_ = 0;  // how many events did
  Task stopped_;
};

}  // namespace weir

#endif  // PROXY_RELAY_ACCEPTOR_H_
