// A whole relay in the test's own thread: reactors with a poller of choice,
// workers, a listening socket and an upstream, under a kernel that fails and a
// clock that stands still.

#ifndef TESTS_SUPPORT_RELAY_RIG_H_
#define TESTS_SUPPORT_RELAY_RIG_H_

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/registry.h"
#include "proxy/config/accept_mode.h"
#include "proxy/config/forward_spec.h"
#include "proxy/config/shard_policy_kind.h"
#include "proxy/observe/access_log/access_sink.h"
#include "proxy/observe/close_reason.h"
#include "proxy/observe/forward_metrics.h"
#include "proxy/observe/log_writer.h"
#include "proxy/observe/splice_metrics.h"
#include "proxy/observe/worker_metrics.h"
#include "proxy/relay/accept_metrics.h"
#include "proxy/relay/admission.h"
#include "proxy/relay/connector.h"
#include "proxy/relay/gate.h"
#include "proxy/relay/pipe_pool.h"
#include "proxy/relay/shard_policy.h"
#include "proxy/relay/worker.h"
#include "reactor/address.h"
#include "reactor/clock.h"
#include "reactor/fd.h"
#include "reactor/loop_monitor.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"
#include "tests/support/faulty_kernel.h"
#include "tests/support/manual_clock.h"
#include "tests/support/test_peer.h"

namespace weir {

// The families of the two sides.
struct Wire {
  sa_family_t client = AF_INET;
  sa_family_t upstream = AF_INET;
};
std::string WireName(const Wire& wire);

inline constexpr Wire kTcpWires[] = {{AF_INET, AF_INET}, {AF_INET6, AF_INET6}};
inline constexpr Wire kAllWires[] = {{AF_INET, AF_INET},
                                     {AF_INET6, AF_INET6},
                                     {AF_INET, AF_UNIX},
                                     {AF_UNIX, AF_INET},
                                     {AF_UNIX, AF_UNIX}};

// Both ends of one session.
struct Link {
  TestPeer client;
  TestPeer upstream;
};

class RelayRig {
 public:
  struct Options {
    PollerKind poller = PollerKind::kEpoll;
    Wire wire;
    size_t reactors = 1;
    size_t buffer_memory = 16 << 20;
    size_t max_pipes = 16;
    size_t pipe_memory = PipePool::kMemory;
    int64_t max_connections = 1000;
    ShardPolicy shard = ShardPolicy::kLocal;
    // kReuseport: reactor i has listen_fd(i); of a unix socket all share one.
    // kDedicated: a loop of its own, reactor(reactors), accepts for all.
    AcceptMode accept = AcceptMode::kShared;
    // Of the upstream's listener; 0: of a TCP listener, one connection waits
    // and the next hangs in SYN_SENT.
    int backlog = 128;
    bool resolved = true;  // the upstream's address is known at the start
    bool accepting = true;
    PortRange local_ports{};  // see Connector::Site
    ForwardSpec spec;         // the timers
    // Each worker has an access log like this, with the rig's clock.
    std::optional<AccessSink::Options> access;
  };

  explicit RelayRig(Options options);
  ~RelayRig();

  // --- Peers ----------------------------------------------------------------

  // A connected client; the proxy may not have seen it yet. `receive_buffer`:
  // SO_RCVBUF, set before the connection, so that the window obeys.
  TestPeer Dial(int receive_buffer = 0);
  // Takes the next connection of the proxy at the upstream, driving until it
  // comes; a closed peer when it does not.
  TestPeer Take(int receive_buffer = 0);
  // A session in the stage of relaying. The buffer is the reading peers'.
  Link Open(int receive_buffer = 0);
  // The upstream stops listening: connections are refused from now on.
  void StopUpstream() { upstream_.Reset(); }
  // The upstream's address becomes known, or (empty list) could not be.
  void Resolve(std::vector<Address> addresses);
  const Address& upstream_address() const { return upstream_address_; }
  const Address& listen_address() const { return listen_address_; }
  int upstream_fd() const { return upstream_.get(); }
  int listen_fd(size_t i = 0) const {
    return i == 0 || beside_.empty() ? listener_.get() : beside_[i - 1].get();
  }

  // --- Driving --------------------------------------------------------------

  // One round of each reactor, which waits a millisecond at most. Where nothing
  // happened, the clock goes on by as much.
  void Round();
  // Rounds without a wait, and the clock stands.
  void Rounds(int count);
  // Rounds until `condition`, or until the bound, which only a failing test
  // reaches.
  bool DriveUntil(const std::function<bool()>& condition);
  // Stops all gates, and drives until they have let go of the listeners.
  bool StopAccepting();
  bool SendAll(TestPeer* peer, std::string_view data);
  // Sends until a pump holds what the other side does not take; returns what
  // was sent.
  std::string SendUntilBlocked(TestPeer* peer);
  // Waits, without driving, until the proxy's kernel has what `peer` sent.
  void AwaitAcknowledged(const TestPeer& peer);
  // The same for what the proxy sent on its descriptor `fd`: until less than
  // `bytes` are left.
  void AwaitSendQueueBelow(int fd, int bytes);
  static int SendQueueOf(int fd);
  // The same until it stands still: a peer that does not read acknowledges some
  // of it late (40 ms on Linux), which would pass for progress.
  static void AwaitSendQueueStill(int fd);
  // `peer` reads, without driving, until what the proxy sent it on `fd` shrinks
  // (its window opens when a whole segment was read).
  void ReadUntilSendQueueShrinks(TestPeer* peer, int fd);
  // Waits, without driving, until the kernel has news (poll(2)) on a descriptor
  // of the proxy.
  void AwaitEvent(int fd, short events);
  // Reads until `bytes` came in all.
  bool ReadBytes(TestPeer* peer, size_t bytes);
  // Reads to the end; returns it (TestPeer::end()).
  int ReadEnd(TestPeer* peer);
  // Nothing is left to do: many rounds bring no event and make no call.
  void ExpectQuiet();

  // Time passes, in steps that let each timer fire at its time.
  void Pass(Duration time, Duration step);

  // --- What happened --------------------------------------------------------

  uint64_t Closed() const;  // sessions, for any reason
  uint64_t Closed(CloseReason reason) const;
  uint64_t Received(Side from) const;
  uint64_t Sent(Side to) const;
  uint64_t Discarded(Side from) const;
  uint64_t Connects(ConnectResult result) const;
  uint64_t Accepted() const;
  int64_t Active(Stage stage) const;
  size_t Sessions() const;
  size_t Lent() const;       // bytes of buffers
  size_t LentPipes() const;  // pipes
  uint64_t Relayed(RelayPath path) const;
  uint64_t Fallbacks(SpliceFallback reason) const;
  uint64_t Events() const;
  uint64_t AcceptErrors(AcceptError error) const;
  // Adds all that forwards and workers count; the rig outlives its last scrape.
  void Register(Registry* registry);

  Worker& worker(size_t i = 0) { return *workers_[i]; }
  // The gate that connections come through: of worker i, or the dedicated one.
  Gate& gate(size_t i = 0) {
    return dedicated_ != nullptr ? *dedicated_ : workers_[i]->gate();
  }
  Reactor& reactor(size_t i = 0) { return *reactors_[i]; }
  // Worker `from` lets go of its only session, and `to` takes it up.
  bool Move(size_t from, size_t to);
  ManualClock& clock() { return clock_; }
  FaultyKernel& kernel() { return kernel_; }
  Admission& admission() { return admission_; }
  LoadMatrix& loads() { return loads_; }
  LoopMonitor& monitor(size_t i = 0) { return *monitors_[i]; }
  int resolve_again() const { return resolve_again_; }
  AccessSink& access(size_t i = 0) { return *access_[i]; }
  // What is in the access logs, worker by worker.
  std::string TakeAccess();

 private:
  uint64_t Sum(
      const std::function<uint64_t(const ForwardShard& shard)>& value) const;
  Gate::Options GateOptions(size_t row);
  // Adds a loop and its monitor.
  void MakeReactor();
  // Lets all sessions end and looks whether they left anything.
  void Finish();
  // Each connection that was closed has its line, or is counted: only lines of
  // ends find no room.
  void ExpectAccessComplete();

  const Options options_;
  const size_t fds_before_;
  FaultyKernel kernel_;
  ManualClock clock_;
  UniqueFd listener_;
  std::vector<UniqueFd> beside_;  // of reactors 1 to N - 1
  UniqueFd upstream_;
  Address listen_address_;
  Address upstream_address_;
  std::vector<ForwardSpec> forwards_;
  ForwardMetrics metrics_;
  Admission admission_;
  LoadMatrix loads_;
  LogWriter log_;
  std::vector<std::unique_ptr<LoopMonitor>> monitors_;
  std::vector<std::unique_ptr<Reactor>> reactors_;
  std::vector<std::unique_ptr<AccessSink>> access_;
  uint64_t access_closes_ = 0;  // lines that TakeAccess() took
  std::unique_ptr<Gate> dedicated_;
  std::vector<std::unique_ptr<Worker>> workers_;
  int resolve_again_ = 0;
};

}  // namespace weir

#endif  // TESTS_SUPPORT_RELAY_RIG_H_
