// Public. One connection pair, from the accepted client to the last byte.

#ifndef PROXY_RELAY_SESSION_H_
#define PROXY_RELAY_SESSION_H_

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/functional/any_invocable.h"
#include "proxy/config/forward_spec.h"
#include "proxy/observe/close_reason.h"
#include "proxy/observe/forward_metrics.h"
#include "proxy/observe/worker_metrics.h"
#include "proxy/relay/brief_duration.h"
#include "proxy/relay/connector.h"
#include "proxy/relay/early_reads.h"
#include "proxy/relay/peer_name.h"
#include "proxy/relay/pump.h"
#include "proxy/relay/relay_pools.h"
#include "proxy/relay/session_info.h"
#include "proxy/relay/transport.h"
#include "proxy/upstream/address_list.h"
#include "reactor/callback_kind.h"
#include "reactor/clock.h"
#include "reactor/fd.h"
#include "reactor/intrusive_list.h"
#include "reactor/reactor.h"
#include "reactor/timer_wheel.h"

namespace weir {

class Session;

// One forward as one reactor sees it. Loop thread only.
struct ForwardState {
  size_t index = 0;
  const ForwardSpec* spec = nullptr;
  ForwardShard* metrics = nullptr;
  WorkerMetrics* worker = nullptr;
  // Never null. Generation 0: the target's name was not looked up yet.
  AddressListPtr addresses = std::make_shared<AddressList>();
  EarlyReads early_reads;
};

// What a session needs of the worker that it lives in. Loop thread only.
class SessionHost {
 public:
  virtual Reactor& reactor() = 0;
  virtual RelayPools& pools() = 0;
  virtual PortRange local_ports() const = 0;
  // See Connector::Site.
  virtual bool verify_connects() const = 0;
  // The session is connected.
  virtual void OnSessionOpen(const Session& session) = 0;
  // No address of the target could be connected to.
  virtual void OnConnectFailed(const Session& session) = 0;
  // The session, whatever its stage, ends for `reason` and still has its
  // sockets. Once a session, but for one that is detached.
  virtual void OnSessionClosing(const Session& session, CloseReason reason) = 0;
  // The session holds nothing any more: free it when the round is over.
  virtual void OnSessionClosed(Session* session, CloseReason reason) = 0;
  // The same, and it goes on elsewhere.
  virtual void OnSessionDetached(Session* session) = 0;

 protected:
  ~SessionHost() = default;
};

// Everything of a session that is not its place in a loop: what Detach() gives
// and Attach() takes, on another reactor or, later, in another process.
struct SessionState {
  uint64_t id = 0;
  size_t forward = 0;
  PeerName client_name;
  Stage stage = Stage::kRelaying;
  UniqueFd client;
  UniqueFd upstream;
  FdKind client_kind = FdKind::kTcp;
  FdKind upstream_kind = FdKind::kTcp;
  int client_error = 0;
  int upstream_error = 0;
  Pump up;
  Pump down;
  Connector connector;
  CloseReason reason = CloseReason::kClientFin;
  bool ended = false;
  bool draining = false;
  bool dropped = false;
  MonoTime opened_at;
  MonoTime deadline = kNever;
  MonoTime progress_at;
  BriefDuration connect_time;
  BriefDuration first_byte;
};

// Stages: waiting (for a name), connecting, relaying, aborting (what is left is
// flushed, then both ends are reset) and closed. Loop thread only. Owned by the
// worker's list until it is closed, then by the reactor until the round is
// over.
class Session final : public Retired,
                      public ListNode<Session>,
                      private Timer,
                      private Runnable,
                      private TransportObserver {
 public:
  // `accepted_at`: by whichever loop; before now.
  Session(SessionHost* host, ForwardState* forward, uint64_t id,
          const PeerName& client_name, MonoTime accepted_at);

  // Begins with an accepted client. The session may be closed on return.
  void Start(UniqueFd client, FdKind kind);

  // The forward's addresses came, or its name could not be resolved. Returns
  // whether it waited for that.
  bool OnAddresses();

  // Drain: a session without work (IdleSince()) is ended from our side (FIN
  // both ways), and closed at both ends' FIN or a second later.
  void EndIdle();
  // Drain: what is buffered is flushed for a second, then both ends are reset.
  void EndNow();
  // Resets both ends at once, for the process stops: a stream that is cut must
  // not look complete.
  void Cut() { Close(CloseReason::kDrainForced, Farewell::kReset); }
  // An operator ends it: both ends see a reset.
  void Kill() { Close(CloseReason::kKilled, Farewell::kReset); }
  // Whether nothing is buffered or waits to be, here or in the kernel, and no
  // byte came or went since `since`.
  bool IdleSince(MonoTime since) const;

  // Lets go of the loop; `done` gets the state when the kernel has let go of
  // both descriptors, and the session is gone by then. Not for a closed
  // session.
  void Detach(absl::AnyInvocable<void(SessionState) &&> done);
  // Takes up `state`, in a session just made.
  void Attach(SessionState state);

  uint64_t id() const { return id_; }
  Stage stage() const { return stage_; }
  const ForwardState& forward() const { return *forward_; }
  const PeerName& client_name() const { return client_name_; }
  const Connector& connector() const { return connector_; }
  uint64_t bytes_up() const { return up_.bytes(); }
  uint64_t bytes_down() const { return down_.bytes(); }
  // How bytes are moved now: spliced if those of one direction are.
  RelayPath path() const { return std::max(up_.path(), down_.path()); }
  MonoTime opened_at() const { return opened_at_; }
  // How long connecting took, and the time from the accept until a byte of the
  // upstream was there; nothing before that.
  std::optional<Duration> connect_time() const { return connect_time_.value(); }
  std::optional<Duration> first_byte() const { return first_byte_.value(); }
  // Segments that the kernel sent again to that side. Asks it (a system call);
  // nothing where there is no TCP socket, or none yet.
  std::optional<uint32_t> Retransmits(Side side) const;
  // For the loop's account of what it does.
  Subject subject() const {
    return {static_cast<uint32_t>(forward_->index), id_};
  }
  SessionInfo Info() const;

 private:
  // After the kernel was short of memory.
  static constexpr Duration kRetry = std::chrono::milliseconds(10);

  // What is done to the peers when the session ends.
  enum class Farewell : bool { kFin, kReset };

  void OnTransportReady(Transport* transport) noexcept override;
  void OnTimer() noexcept override;
  void Run() noexcept override;

  // Does what the stage asks for; ends with the timer and the armed directions
  // right. Every event, timer and turn comes here.
  void Drive();
  void Wait();
  void Connect();
  // Reads what the client has sent by now, if that is likely to be something.
  void ReadEarly();
  // `first_sent`: see Connector::Site.
  void Connected(Connector::Outcome outcome, size_t first_sent);
  void Relay();
  void RunPumps();
  void Flush();
  void Discard();

  // An end of one side that is not a FIN: the other gets all its bytes, then a
  // reset.
  void Abort(Transport* dead);
  // Enters Stage::kAborting.
  void BeginAborting();
  void Close(CloseReason reason, Farewell farewell);

  Connector::Site Site(size_t* first_sent);
  // Runs one direction and notes what it needs.
  void RunPump(Pump* pump, Transport* source, Transport* target);
  // True when all that was for `target` was sent and acknowledged, or nobody is
  // there to take it.
  bool Delivered(const Pump& pump, const Transport& target);
  Pump::Site SiteOf(const Pump* pump) const;
  void SetStage(Stage stage);
  // Whether reading from `side` waits for the other one to take what it sent.
  void SetPaused(Side side, bool paused);
  // Tells the loop whom the callback that runs is for.
  void Describe() const;
  void ArmPump(const Pump& pump, Transport* source, Transport* target);
  void ArmTimer();
  // Time without progress that ends the session in this stage; kForever: none.
  Duration Patience() const;
  // The session lives long enough for what short ones do without.
  void Settle();
  // Looks whether bytes moved. Returns false when the patience is over.
  bool Look();
  // When it has lived as long as its forward lets it.
  MonoTime LifetimeEnd() const;
  CloseReason ReasonOf(const Transport& dead) const;

  SessionHost* const host_;
  ForwardState* const forward_;
  const uint64_t id_;
  PeerName client_name_;

  Transport client_{this};
  Transport upstream_{this};
  Pump up_;    // client to upstream
  Pump down_;  // upstream to client
  Connector connector_;

  MonoTime opened_at_;
  // Of this stage as a whole.
  MonoTime deadline_ = kNever;
  // The next turn without an event: memory was short, or a send queue is looked
  // at.
  MonoTime retry_at_ = kNever;
  // When bytes last moved, and what the look of the timer saw. While
  // connecting: when that began.
  MonoTime progress_at_;
  MonoTime looked_at_;
  std::array<uint32_t, 2> queues_{};

  std::chrono::duration<uint32_t, std::milli> flush_wait_{0};

  BriefDuration connect_time_;
  BriefDuration first_byte_;

  Stage stage_ = Stage::kClosed;
  CloseReason reason_ = CloseReason::kClientFin;
  bool ended_ : 1 = false;     // the first FIN was seen; reason_ says whose
  bool draining_ : 1 = false;  // EndIdle()
  bool dropped_ : 1 = false;   // and bytes came after it
  bool settled_ : 1 = false;   // Settle()
  uint8_t paused_ : 2 = 0;     // SetPaused(), a bit a Side
};

}  // namespace weir

#endif  // PROXY_RELAY_SESSION_H_
