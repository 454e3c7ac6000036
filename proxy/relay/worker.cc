#include "proxy/relay/worker.h"

#include <errno.h>

#include <algorithm>
#include <memory>
#include <new>
#include <utility>

#include "glog/logging.h"
#include "proxy/relay/peer_name.h"
#include "proxy/relay/session_log.h"

namespace weir {
namespace {

// How often a drain looks for sessions that became idle.
constexpr Duration kDrainLook = std::chrono::milliseconds(50);

// A session's place in the spread of a drain: the same share of neighbours'
// numbers at any moment (Fibonacci hashing).
Duration Share(Duration spread, uint64_t id) {
  const uint64_t hash = (id * 0x9E3779B97F4A7C15u) >> 44;  // 20 bits
  return spread / (1 << 20) * static_cast<int64_t>(hash);
}

}  // namespace

Worker::Worker(Options options)
    : options_(std::move(options)),
      verify_connects_(options_.gate.reactor->poller().name() == "select"),
      pools_(options_.buffer_memory, {.reactor = options_.gate.reactor,
                                      .max_pipes = options_.max_pipes,
                                      .memory = options_.pipe_memory}),
      gate_(options_.gate),
      walks_(options_.gate.reactor, &sessions_, [this] { return sessions(); }) {
  for (size_t i = 0; i < options_.gate.forwards->size(); ++i) {
    Forward forward;
    forward.index = i;
    forward.spec = &(*options_.gate.forwards)[i];
    forward.metrics = &options_.gate.metrics->Shard(i, options_.gate.row);
    forward.worker = &metrics_;
    forwards_.push_back(std::move(forward));
  }
  if (options_.access != nullptr && options_.access->every() != kForever) {
    access_updates_.ScheduleNext(reactor().Now());
  }
}

Worker::~Worker() { CutAll(); }

void Worker::CutAll() {
  while (Session* session = sessions_.Front()) session->Cut();
}

void Worker::Register(const std::string& reactor, Registry* registry) const {
  gate_.Register(registry);
  metrics_.Register(reactor, registry);
  const SpliceMetrics& splice = pools_.pipes.metrics();
  splice.Register(reactor, registry);
  for (const Gauge* held : {&pools_.buffers.held(), &splice.held}) {
    registry->AddGauge("weir_reactor_buffered_bytes",
                       "Payload that was read and that the other side did not "
                       "take yet.",
                       {{"reactor", reactor}}, held);
  }
  registry->AddCounter(
      "weir_connections_assigned_total",
      "Connections that this loop was given, by itself or by another.",
      {{"reactor", reactor}},
      [loads = options_.gate.loads, index = options_.gate.row] {
        return static_cast<double>(loads->Given(index));
      });
}

void Worker::SetAddresses(size_t forward, AddressListPtr addresses) {
  Forward& state = forwards_[forward];
  const std::vector<Address>& found = addresses->addresses;
  const std::vector<Address>& known = state.addresses->addresses;
  if (found.empty()) {
    if (addresses->generation > 0) state.metrics->UpstreamDown(reactor().Now());
  } else if (!std::is_permutation(found.begin(), found.end(), known.begin(),
                                  known.end())) {
    // The same ones again, whose order DNS likes to change, say nothing of
    // whether somebody answers there.
    state.metrics->UpstreamUp(reactor().Now());
  }
  const bool first = state.addresses->generation == 0;
  state.addresses = std::move(addresses);
  if (!first) return;  // nobody waits for this one
  walks_.Begin(
      [forward](Session& session) {
        return session.forward().index == forward && session.OnAddresses()
                   ? Visited::kWorked
                   : Visited::kLooked;
      },
      [] {});
}

void Worker::TakeUp(size_t forward, UniqueFd fd, FdKind kind,
                    const Address& client, MonoTime handed_at) {
  const uint64_t id = NewId();
  reactor().Describe(CallbackKind::kHandoff,
                     {static_cast<uint32_t>(forward), id});
  metrics_.handoff.Observe((reactor().clock().Now() - handed_at).count());
  Begin(forward, std::move(fd), kind, client, id, handed_at);
}

void Worker::Adopt(size_t forward, UniqueFd fd, FdKind kind,
                   const Address& client) {
  Begin(forward, std::move(fd), kind, client, NewId(), reactor().Now());
}

uint64_t Worker::NewId() {
  return ++last_id_ * options_.gate.workers->size() - options_.gate.row;
}

Session* Worker::NewSession(size_t forward, uint64_t id, const PeerName& client,
                            MonoTime accepted_at) {
  auto* session = new (std::nothrow)
      Session(this, &forwards_[forward], id, client, accepted_at);
  if (session == nullptr) return nullptr;
  sessions_.PushBack(session);
  metrics_.connections.Add(1);
  return session;
}

void Worker::Begin(size_t forward, UniqueFd fd, FdKind kind,
                   const Address& client, uint64_t id, MonoTime accepted_at) {
  if (Session* session =
          NewSession(forward, id, PeerName(client), accepted_at)) {
    return session->Start(std::move(fd), kind);
  }
  forwards_[forward].metrics->Closed(CloseReason::kResources, Duration::zero());
  if (options_.access != nullptr) options_.access->Drop();
  options_.gate.admission->Release();
  options_.gate.loads->Finished(options_.gate.row);
}

void Worker::Attach(SessionState state) {
  options_.gate.loads->Assigned(options_.gate.row, options_.gate.row);
  const size_t forward = state.forward;
  Session* session =
      NewSession(forward, state.id, state.client_name, reactor().Now());
  CHECK(session != nullptr);
  session->Attach(std::move(state));
}

Session* Worker::Find(uint64_t id) {
  Session* session = sessions_.Front();
  while (session != nullptr && session->id() != id) {
    session = sessions_.Next(session);
  }
  return session;
}

void Worker::OnSessionOpen(const Session& session) {
  session.forward().metrics->UpstreamUp(reactor().Now());
  if (options_.access != nullptr && options_.access->open_lines()) {
    WriteAccess(AccessEvent::kOpen, session, CloseReason::kClientFin);
  }
  if (!options_.gate.log->Wants(LogLevel::kVerbose)) return;
  options_.gate.log->Line(LogLevel::kVerbose, OpenLine(session, reactor().Now(),
                                                       options_.gate.row));
}

void Worker::OnConnectFailed(const Session& session) {
  const size_t index = session.forward().index;
  const int error = session.connector().error();
  if (error == EMFILE || error == ENFILE) {
    if (options_.dedicated == nullptr) {
      gate_.OnShortage(error);
    } else {
      options_.dedicated->TellShortage(error);
    }
  }
  // What is short here says nothing of the upstream.
  if (session.stage() == Stage::kWaiting ||
      session.connector().result() != ConnectResult::kResources) {
    session.forward().metrics->UpstreamDown(reactor().Now());
  }
  const auto refused = forwards_[index].connect_warnings.Allow(reactor().Now());
  if (!refused) return;
  options_.resolve_again(index);
  options_.gate.log->Line(LogLevel::kWarning,
                          ConnectFailedLine(session) + MoreLikeIt(*refused));
}

void Worker::OnSessionClosed(Session* session, CloseReason reason) {
  if (options_.gate.log->Wants(LogLevel::kVerbose)) {
    options_.gate.log->Line(LogLevel::kVerbose,
                            CloseLine(*session, reactor().Now(), reason));
  }
  options_.gate.admission->Release();
  Remove(session);
  if (options_.dedicated == nullptr) {
    gate_.OnRoom();
  } else {
    options_.dedicated->TellRoom();
  }
}

void Worker::OnSessionDetached(Session* session) { Remove(session); }

void Worker::Remove(Session* session) {
  options_.gate.loads->Finished(options_.gate.row);
  walks_.OnLeaving(session);
  session->ListNode<Session>::Unlink();
  metrics_.connections.Add(-1);
  reactor().Retire(std::unique_ptr<Retired>(session));
}

void Worker::EndIdle(Duration idle, Duration spread) {
  drain_began_ = reactor().Now();
  drain_idle_ = idle;
  drain_spread_ = spread;
  OnTimer();
}

void Worker::OnTimer() noexcept {
  walks_.Begin(
      [this, now = reactor().Now()](Session& session) {
        if (now < drain_began_ + Share(drain_spread_, session.id()) ||
            !session.IdleSince(now - drain_idle_)) {
          return Visited::kLooked;
        }
        session.EndIdle();
        return Visited::kWorked;
      },
      [this] { reactor().Schedule(this, reactor().Now() + kDrainLook); });
}

void Worker::EndAll() {
  walks_.Begin(
      [](Session& session) {
        session.EndNow();
        return Visited::kWorked;
      },
      [] {});
}

}  // namespace weir
