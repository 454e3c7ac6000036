// Public. What one reactor does for the proxy: its gate, its sessions and the
// pools that these share.

#ifndef PROXY_RELAY_WORKER_H_
#define PROXY_RELAY_WORKER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "metrics/registry.h"
#include "proxy/config/forward_spec.h"
#include "proxy/observe/access_log/access_record.h"
#include "proxy/observe/access_log/access_sink.h"
#include "proxy/observe/close_reason.h"
#include "proxy/observe/forward_metrics.h"
#include "proxy/observe/log_limiter.h"
#include "proxy/observe/worker_metrics.h"
#include "proxy/relay/accept_metrics.h"
#include "proxy/relay/gate.h"
#include "proxy/relay/injected_stall.h"
#include "proxy/relay/relay_pools.h"
#include "proxy/relay/session.h"
#include "proxy/relay/session_info.h"
#include "proxy/relay/session_walk.h"
#include "proxy/upstream/address_list.h"
#include "reactor/intrusive_list.h"
#include "reactor/reactor.h"

namespace weir {

// Every method belongs to the loop thread of its reactor, or to any thread
// before that loop starts.
class Worker final : public SessionHost, private Timer {
 public:
  // Everything outlives the worker.
  struct Options {
    // Of its own gate; `row` is the worker's index.
    Gate::Options gate;
    // The gate that accepts for all workers, of another loop; null: each worker
    // accepts for itself.
    Gate* dedicated = nullptr;
    size_t buffer_memory = 0;  // bytes, of this worker
    size_t max_pipes = 0;      // of this worker
    size_t pipe_memory = 0;    // bytes, of this worker
    PortRange local_ports;
    // No address of this forward's target took a connection. Called at most
    // once a second for each forward.
    std::function<void(size_t forward)> resolve_again;
    // Of this worker alone, the only one that puts lines there; null: there is
    // no access log, and it costs nothing. An every() is more than zero.
    AccessSink* access = nullptr;
  };

  explicit Worker(Options options);
  // After its loop ended, with CutAll().
  ~Worker();

  // Where it accepts for itself.
  Gate& gate() { return gate_; }

  // A new list of addresses for a forward's target.
  void SetAddresses(size_t forward, AddressListPtr addresses);

  // From now on, sessions that saw no byte for `idle` are ended, each no
  // earlier than its own moment in `spread`.
  void EndIdle(Duration idle, Duration spread);
  // Ends all sessions, a few at a time: flushed for a second, then reset.
  void EndAll();
  // Resets all sessions at once, for the process stops; each has its line in
  // the access log then. After its loop ended too.
  void CutAll();

  // A connection that this worker gets, with its place in the admission and in
  // the load: accepted by its own loop,
  void Adopt(size_t forward, UniqueFd fd, FdKind kind, const Address& client);
  // or by another, which handed it over at `handed_at`.
  void TakeUp(size_t forward, UniqueFd fd, FdKind kind, const Address& client,
              MonoTime handed_at);
  // Takes up a session that another worker detached.
  void Attach(SessionState state);
  // The session with this id, or null.
  Session* Find(uint64_t id);
  size_t sessions() const {
    return static_cast<size_t>(metrics_.connections.Value());
  }

  Reactor& reactor() override { return *options_.gate.reactor; }
  RelayPools& pools() override { return pools_; }

  // --- What an operator asks ------------------------------------------------
  //
  // For a posted task: worker.reactor().Post(...) from any thread. The sessions
  // are looked at a few at a time (SessionWalks), in later rounds; answers run
  // on the loop thread, once, and are destroyed unrun when the loop ends first.
  // They must not block, nor destroy the worker.

  using Listed = absl::AnyInvocable<void(SessionList list) &&>;
  using Answer = absl::AnyInvocable<void(bool yes) &&>;

  // The first `limit` sessions of that forward, or of all, in the order in
  // which they came to this worker. (Only of one forward all have to be looked
  // at, to count them.)
  void List(std::optional<size_t> forward, size_t limit, Listed done);

  // Ends the session with this id for CloseReason::kKilled, both ends see a
  // reset. Whether it was here: an id does not tell which worker has it, so all
  // have to be asked. All that wait for their turn share one walk.
  void Kill(uint64_t id, Answer done);

  // Holds the loop for `duration` (InjectStall() of injected_stall.h), for the
  // session with id `connection` or, with 0, for the task that calls this.
  // `begins`, unless null, runs just before that; with false, instead of it,
  // where there is no such session. Whoever calls this has asked whether it is
  // allowed.
  void InjectStall(InjectedStall how, Duration duration, uint64_t connection,
                   Answer begins);

  // --- Any thread -----------------------------------------------------------

  const AcceptMetrics& accepts() const { return gate_.accepts(); }
  const WorkerMetrics& metrics() const { return metrics_; }

  // Names what this worker counts, with the label reactor=`reactor` where it is
  // of the loop. This outlives the registry's last scrape.
  void Register(const std::string& reactor, Registry* registry) const;

 private:
  using Visited = SessionWalks::Visited;

  // One forward, and what keeps its warnings apart from the others'.
  struct Forward : ForwardState {
    LogLimiter connect_warnings{std::chrono::seconds(1)};
  };

  PortRange local_ports() const override { return options_.local_ports; }
  bool verify_connects() const override { return verify_connects_; }
  void OnSessionOpen(const Session& session) override;
  void OnConnectFailed(const Session& session) override;
  void OnSessionClosing(const Session& session, CloseReason reason) override {
    if (options_.access != nullptr) {
      WriteAccess(AccessEvent::kClose, session, reason);
    }
  }
  void OnSessionClosed(Session* session, CloseReason reason) override;
  void OnSessionDetached(Session* session) override;
  void OnTimer() noexcept override;

  // Unique in the process without a shared counter.
  uint64_t NewId();
  void Begin(size_t forward, UniqueFd fd, FdKind kind, const Address& client,
             uint64_t id, MonoTime accepted_at);
  Session* NewSession(size_t forward, uint64_t id, const PeerName& client,
                      MonoTime accepted_at);
  // The session leaves this worker for good.
  void Remove(Session* session);

  // A line of the access log, which there is. `reason`: of a close.
  void WriteAccess(AccessEvent event, const Session& session,
                   CloseReason reason);

  // The lines of connections that last.
  class AccessUpdates final : private Timer {
   public:
    explicit AccessUpdates(Worker* worker) : worker_(worker) {}
    // One every() after `before`.
    void ScheduleNext(MonoTime before);

   private:
    void OnTimer() noexcept override;

    Worker* const worker_;
  };

  // Ids of sessions to end, and who wants to know.
  struct KillBatch;

  const Options options_;
  const bool verify_connects_;
  RelayPools pools_;
  Gate gate_;
  WorkerMetrics metrics_;
  std::vector<Forward> forwards_;
  IntrusiveList<Session> sessions_;
  SessionWalks walks_;
  std::shared_ptr<KillBatch> kills_;  // whose walk has not begun; or null
  AccessUpdates access_updates_{this};

  uint64_t last_id_ = 0;

  // EndIdle().
  MonoTime drain_began_;
  Duration drain_idle_{};
  Duration drain_spread_{};
};

}  // namespace weir

#endif  // PROXY_RELAY_WORKER_H_
