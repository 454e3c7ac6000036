// Public. The accepting side of one loop.

#ifndef PROXY_RELAY_GATE_H_
#define PROXY_RELAY_GATE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "metrics/registry.h"
#include "proxy/config/forward_spec.h"
#include "proxy/config/shard_policy_kind.h"
#include "proxy/observe/forward_metrics.h"
#include "proxy/observe/log_limiter.h"
#include "proxy/observe/log_writer.h"
#include "proxy/relay/accept_metrics.h"
#include "proxy/relay/acceptor.h"
#include "proxy/relay/admission.h"
#include "proxy/relay/lateness.h"
#include "proxy/relay/shard_policy.h"
#include "reactor/address.h"
#include "reactor/fd.h"
#include "reactor/mailbox.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"

namespace weir {

class Worker;

// A listening socket that gates accept from. The owner closes it when all have
// stopped.
struct Listener {
  size_t forward;
  int fd;
  FdKind kind;  // of the connections: kTcp or kUnix
};

// Accepts from listeners and gives each connection to the worker that is picked
// for it: at once where that is on this loop, else through its mailbox. Every
// worker has one; the control loop has one more, which is the only one that
// accepts in a dedicated arrangement.
//
// Every method belongs to the loop thread of its reactor, or to any thread
// before that loop starts, but for the last group.
class Gate final : private AcceptorHost {
 public:
  // Everything outlives the gate.
  struct Options {
    // Its row in `loads` and shard in `metrics`: its worker's index, or behind
    // all of them for the control loop.
    size_t row = 0;
    Reactor* reactor = nullptr;
    const std::vector<ForwardSpec>* forwards = nullptr;
    ForwardMetrics* metrics = nullptr;
    Admission* admission = nullptr;
    LoadMatrix* loads = nullptr;
    ShardPolicy shard = ShardPolicy::kLeast;
    Lateness::Read read_loop;  // for ShardPolicy::kLag
    LogSink* log = nullptr;
    // In the order of their reactors; complete before the first accept.
    const std::vector<std::unique_ptr<Worker>>* workers = nullptr;
  };

  explicit Gate(Options options);
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // Begins to accept from each of them.
  void Start(const std::vector<Listener>& listeners);
  // Accepts what is queued and then no more; `done` runs when the poller has
  // let go of every listener.
  void Stop(Task done);
  // Accepts what is queued at a listener that all gates have stopped for: the
  // last thing before it is closed.
  void TakeQueue(const Listener& listener);

  // A connection ended: there is room under the limit.
  void OnRoom();
  // A connection found no descriptor for its upstream (`error`).
  void OnShortage(int error);

  // --- Any thread -----------------------------------------------------------

  // As above, for a worker on another loop. Costs a look at an atomic while
  // this gate waits for nothing, and one task at a time while it does.
  void TellRoom();
  void TellShortage(int error);

  const AcceptMetrics& accepts() const { return accept_metrics_; }
  void Register(Registry* registry) const {
    accept_metrics_.Register(registry);
  }

 private:
  // One forward, and what keeps its warnings apart from the others'.
  struct Forward {
    const ForwardSpec* spec;
    ForwardShard* metrics;
    LogLimiter warnings;
  };

  Reactor& reactor() override { return *options_.reactor; }
  Admission& admission() override { return *options_.admission; }
  AcceptMetrics& accept_metrics() override { return accept_metrics_; }
  void OnAccepted(size_t forward, UniqueFd fd, FdKind kind,
                  const Address& client) override;
  void OnAcceptPaused(size_t forward, int error) override;

  // Whether an acceptor waits for room.
  bool AtLimit() const;

  const Options options_;
  Picker picker_;
  AcceptMetrics accept_metrics_;
  std::vector<Forward> forwards_;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;

  // For room; written on the loop. Set in one order with the count of the
  // admission (OnAcceptPaused()), so that no room goes unseen.
  std::atomic<bool> waiting_{false};
  std::atomic<bool> told_{false};  // a task that says so is under way; relaxed
};

}  // namespace weir

#endif  // PROXY_RELAY_GATE_H_
