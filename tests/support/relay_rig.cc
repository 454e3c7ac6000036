#include "tests/support/relay_rig.h"

#include <dirent.h>
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "gtest/gtest.h"
#include "metrics/occupancy.h"
#include "proxy/relay/stream_options.h"

namespace weir {
namespace {

// Only a failing test gets there.
constexpr std::chrono::seconds kBound(30);
constexpr Duration kWait = std::chrono::milliseconds(1);

size_t OpenDescriptors() {
  size_t count = 0;
  DIR* dir = ::opendir("/proc/self/fd");
  PCHECK(dir != nullptr);
  while (::readdir(dir) != nullptr) ++count;
  ::closedir(dir);
  return count;
}

// Ends the test that runs, which a constructor cannot do by returning: what
// gtest throws of its own is reported already.
[[noreturn]] void Skip(const absl::Status& why) {
  [&] { GTEST_SKIP() << why; }();
  throw testing::AssertionException(testing::TestPartResult(
      testing::TestPartResult::kSkip, __FILE__, __LINE__, ""));
}

// A free address: the kernel's choice of a port, or a name of our own.
Address FreeAddress(sa_family_t family) {
  if (family != AF_UNIX) return Address::Loopback(family, 0);
  static std::atomic<int> next{0};
  return *Address::UnixAbstract(
      absl::StrCat("weir-rig-", ::getpid(), "-", ++next));
}

Address NameOf(int fd) {
  sockaddr_storage storage;
  socklen_t size = sizeof(storage);
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  PCHECK(::getsockname(fd, address, &size) == 0);
  return Address::FromSockaddr(address, size);
}

int MakeSocket(sa_family_t family) {
  const int fd =
      ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  PCHECK(fd >= 0);
  return fd;
}

UniqueFd ListenOn(sa_family_t family, int backlog) {
  UniqueFd fd(MakeSocket(family));
  const Address address = FreeAddress(family);
  PCHECK(::bind(fd.get(), address.data(), address.size()) == 0);
  PCHECK(::listen(fd.get(), backlog) == 0);
  return fd;
}

// Sockets with queues of their own at the address of `first`.
std::vector<UniqueFd> ListenBeside(int first, size_t count) {
  std::vector<UniqueFd> beside;
  const Address address = NameOf(first);
  for (size_t i = 0; i < count; ++i) {
    UniqueFd fd(MakeSocket(address.family()));
    const int on = 1;
    for (const int each : {first, fd.get()}) {
      PCHECK(::setsockopt(each, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) ==
             0);
    }
    PCHECK(::bind(fd.get(), address.data(), address.size()) == 0);
    PCHECK(::listen(fd.get(), 1024) == 0);
    beside.push_back(std::move(fd));
  }
  return beside;
}

FdKind KindOf(sa_family_t family) {
  return family == AF_UNIX ? FdKind::kUnix : FdKind::kTcp;
}

void SetReceiveBuffer(int fd, int bytes) {
  if (bytes == 0) return;
  PCHECK(::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) == 0);
}

std::vector<ForwardSpec> OneForward(ForwardSpec spec) {
  spec.name = "test";
  spec.target.text = spec.target.host = "upstream";
  return {std::move(spec)};
}

const char* FamilyName(sa_family_t family) {
  return family == AF_INET ? "ip4" : family == AF_INET6 ? "ip6" : "unix";
}

}  // namespace

std::string WireName(const Wire& wire) {
  return absl::StrCat("client ", FamilyName(wire.client), ", upstream ",
                      FamilyName(wire.upstream));
}

RelayRig::RelayRig(Options options)
    : options_(std::move(options)),
      fds_before_(OpenDescriptors()),
      listener_(ListenOn(options_.wire.client, 1024)),
      upstream_(ListenOn(options_.wire.upstream, options_.backlog)),
      listen_address_(NameOf(listener_.get())),
      upstream_address_(NameOf(upstream_.get())),
      forwards_(OneForward(options_.spec)),
      metrics_(forwards_, options_.reactors + 1),
      admission_(options_.max_connections),
      loads_(options_.reactors, options_.reactors + 1),
      log_({.fd = -1, .level = LogLevel::kVerbose, .clock = &clock_}) {
  // As the process does: splice(2) to a dead socket raises it.
  PCHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
  const FdKind kind = KindOf(options_.wire.client);
  for (const std::string& warning : SetListenerOptions(
           kernel_, listener_.get(), kind == FdKind::kTcp, forwards_[0])) {
    ADD_FAILURE() << warning;
  }
  if (kind == FdKind::kTcp && options_.accept == AcceptMode::kReuseport) {
    beside_ = ListenBeside(listener_.get(), options_.reactors - 1);
  }
  const bool dedicated = options_.accept == AcceptMode::kDedicated;
  for (size_t i = 0; i < options_.reactors; ++i) MakeReactor();
  if (dedicated) {
    MakeReactor();
    dedicated_ = std::make_unique<Gate>(GateOptions(options_.reactors));
  }
  for (size_t i = 0; i < options_.reactors; ++i) {
    if (options_.access.has_value()) {
      AccessSink::Options access = *options_.access;
      access.clock = &clock_;
      if (!access.wake) access.wake = [] {};
      access_.push_back(std::make_unique<AccessSink>(std::move(access)));
    }
    workers_.push_back(std::make_unique<Worker>(Worker::Options{
        .gate = GateOptions(i),
        .dedicated = dedicated_.get(),
        .buffer_memory = options_.buffer_memory,
        .max_pipes = options_.max_pipes,
        .pipe_memory = options_.pipe_memory,
        .local_ports = options_.local_ports,
        .resolve_again = [this](size_t) { ++resolve_again_; },
        .access = access_.empty() ? nullptr : access_.back().get()}));
  }
  if (options_.resolved) Resolve({upstream_address_});
  if (!options_.accepting) return;
  for (size_t i = 0; i < workers_.size() && !dedicated; ++i) {
    workers_[i]->gate().Start({{0, listen_fd(i), kind}});
  }
  if (dedicated) dedicated_->Start({{0, listener_.get(), kind}});
}

void RelayRig::MakeReactor() {
  auto poller = MakePoller(options_.poller);
  if (absl::IsUnavailable(poller.status())) Skip(poller.status());
  CHECK(poller.ok()) << poller.status();
  monitors_.push_back(std::make_unique<LoopMonitor>());
  reactors_.push_back(std::make_unique<Reactor>(
      Reactor::Options{.kernel = &kernel_,
                       .clock = &clock_,
                       .poller = *std::move(poller),
                       .monitor = monitors_.back().get()}));
}

Gate::Options RelayRig::GateOptions(size_t row) {
  return {.row = row,
          .reactor = reactors_[row].get(),
          .forwards = &forwards_,
          .metrics = &metrics_,
          .admission = &admission_,
          .loads = &loads_,
          .shard = options_.shard,
          .read_loop = [this](size_t i) { return monitors_[i]->Read(clock_); },
          .log = log_.NewSink(),
          .workers = &workers_};
}

RelayRig::~RelayRig() {
  Finish();
  ExpectAccessComplete();
  workers_.clear();
  dedicated_.reset();
  reactors_.clear();
  listener_.Reset();
  beside_.clear();
  upstream_.Reset();
  EXPECT_EQ(OpenDescriptors(), fds_before_) << "a descriptor leaked";
}

void RelayRig::Finish() {
  kernel_.Heal();
  kernel_.SetHook(nullptr);
  EXPECT_TRUE(StopAccepting());
  int rounds = 0;
  EXPECT_TRUE(DriveUntil([&] {
    // What a test left behind may have to wait for a timer.
    if (++rounds % 100 == 0) clock_.Advance(std::chrono::seconds(61));
    return Sessions() == 0;
  })) << "sessions that do not end: "
      << Sessions();
  Rounds(3);
  // I6: what came in is somewhere.
  EXPECT_EQ(Accepted(), Closed());
  EXPECT_EQ(admission_.active(), 0);
  EXPECT_EQ(Lent(), 0u);
  EXPECT_EQ(LentPipes(), 0u);
  EXPECT_EQ(Received(Side::kClient),
            Sent(Side::kUpstream) + Discarded(Side::kClient));
  EXPECT_EQ(Received(Side::kUpstream),
            Sent(Side::kClient) + Discarded(Side::kUpstream));
  for (const Stage stage : {Stage::kWaiting, Stage::kConnecting,
                            Stage::kRelaying, Stage::kAborting}) {
    EXPECT_EQ(Active(stage), 0) << kStageNames[Index(stage)];
  }
  for (size_t i = 0; i < workers_.size(); ++i) {
    EXPECT_EQ(loads_.Load(i), 0);
    EXPECT_EQ(workers_[i]->pools().buffers.held().Value(), 0);
    EXPECT_EQ(workers_[i]->pools().pipes.metrics().held.Value(), 0);
  }
  // Each end has its duration, and nothing pauses any more.
  EXPECT_EQ(Sum([](const ForwardShard& shard) {
              uint64_t count = 0;
              for (const uint64_t n : shard.duration.Read().counts) count += n;
              return count;
            }),
            Closed());
  for (size_t i = 0; i < workers_.size(); ++i) {
    for (const Occupancy& paused : metrics_.Shard(0, i).paused) {
      EXPECT_EQ(paused.Count(), 0);
    }
  }
}

void RelayRig::ExpectAccessComplete() {
  if (access_.empty()) return;
  TakeAccess();
  uint64_t dropped = 0;
  for (const auto& access : access_) dropped += access->dropped().Value();
  EXPECT_EQ(access_closes_ + dropped, Closed());
}

std::string RelayRig::TakeAccess() {
  std::string lines;
  for (const auto& access : access_) access->Take(SIZE_MAX, &lines);
  constexpr std::string_view kClose = "event\":\"close\"";
  for (size_t at = 0; (at = lines.find(kClose, at)) != lines.npos; ++at) {
    ++access_closes_;
  }
  return lines;
}

TestPeer RelayRig::Dial(int receive_buffer) {
  TestPeer peer(MakeSocket(options_.wire.client));
  SetReceiveBuffer(peer.fd(), receive_buffer);
  // On loopback the handshake needs nobody's help.
  if (::connect(peer.fd(), listen_address_.data(), listen_address_.size()) !=
      0) {
    PCHECK(errno == EINPROGRESS);
  }
  return peer;
}

TestPeer RelayRig::Take(int receive_buffer) {
  SetReceiveBuffer(upstream_.get(), receive_buffer);
  int fd = -1;
  const bool came = DriveUntil([&] {
    fd = ::accept4(upstream_.get(), nullptr, nullptr,
                   SOCK_NONBLOCK | SOCK_CLOEXEC);
    return fd >= 0;
  });
  EXPECT_TRUE(came) << "the proxy does not connect";
  return came ? TestPeer(fd) : TestPeer();
}

Link RelayRig::Open(int receive_buffer) {
  const uint64_t before = Connects(ConnectResult::kOk);
  Link link;
  link.client = Dial(receive_buffer);
  link.upstream = Take(receive_buffer);
  EXPECT_TRUE(
      DriveUntil([&] { return Connects(ConnectResult::kOk) > before; }));
  return link;
}

void RelayRig::Resolve(std::vector<Address> addresses) {
  auto list = std::make_shared<AddressList>();
  list->addresses = std::move(addresses);
  list->generation = 1;
  for (const auto& worker : workers_) worker->SetAddresses(0, list);
}

void RelayRig::Round() {
  const uint64_t calls = kernel_.calls();
  const uint64_t events = Events();
  for (const auto& reactor : reactors_) {
    reactor->RunOnce(kWait / static_cast<int64_t>(reactors_.size()));
  }
  if (kernel_.calls() == calls && Events() == events) clock_.Advance(kWait);
}

void RelayRig::Rounds(int count) {
  for (int i = 0; i < count; ++i) {
    for (const auto& reactor : reactors_) reactor->RunOnce(Duration::zero());
  }
}

bool RelayRig::DriveUntil(const std::function<bool()>& condition) {
  const auto bound = std::chrono::steady_clock::now() + kBound;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > bound) return false;
    Round();
  }
  return true;
}

bool RelayRig::StopAccepting() {
  size_t left = workers_.size();
  for (const auto& worker : workers_) {
    worker->gate().Stop([&left] { --left; });
  }
  if (dedicated_ != nullptr) {
    ++left;
    dedicated_->Stop([&left] { --left; });
  }
  return DriveUntil([&] { return left == 0; });
}

bool RelayRig::SendAll(TestPeer* peer, std::string_view data) {
  return DriveUntil([&] {
           data.remove_prefix(peer->Send(data));
           return data.empty() || peer->send_error() != 0;
         }) &&
         data.empty();
}

std::string RelayRig::SendUntilBlocked(TestPeer* peer) {
  constexpr size_t kMost = 16 << 20;
  constexpr size_t kChunk = 16 * 1024;
  // Made once: most of it is never needed.
  static const std::string& data = *new std::string(Pattern(kMost));
  size_t sent = 0;
  EXPECT_TRUE(DriveUntil([&] {
    if (Lent() + LentPipes() > 0 || sent + kChunk > kMost) return true;
    sent += peer->Send(std::string_view(data).substr(sent, kChunk));
    return false;
  }));
  EXPECT_GT(Lent() + LentPipes(), 0u) << "never blocked";
  return data.substr(0, sent);
}

void RelayRig::AwaitAcknowledged(const TestPeer& peer) {
  const auto bound = std::chrono::steady_clock::now() + kBound;
  while (peer.unacknowledged() > 0) {
    ASSERT_LT(std::chrono::steady_clock::now(), bound);
    ::poll(nullptr, 0, 1);
  }
}

int RelayRig::SendQueueOf(int fd) {
  int bytes = -1;
  PCHECK(::ioctl(fd, SIOCOUTQ, &bytes) == 0);
  return bytes;
}

void RelayRig::AwaitSendQueueBelow(int fd, int bytes) {
  const auto bound = std::chrono::steady_clock::now() + kBound;
  while (SendQueueOf(fd) >= bytes) {
    ASSERT_LT(std::chrono::steady_clock::now(), bound);
    ::poll(nullptr, 0, 1);
  }
}

void RelayRig::AwaitSendQueueStill(int fd) {
  constexpr int kStillMs = 250;
  int queue = SendQueueOf(fd);
  for (int still = 0; still < kStillMs; ++still) {
    ::poll(nullptr, 0, 1);
    const int now = SendQueueOf(fd);
    if (now != std::exchange(queue, now)) still = 0;
  }
}

void RelayRig::ReadUntilSendQueueShrinks(TestPeer* peer, int fd) {
  const auto bound = std::chrono::steady_clock::now() + kBound;
  const int queue = SendQueueOf(fd);
  while (SendQueueOf(fd) >= queue) {
    ASSERT_LT(std::chrono::steady_clock::now(), bound);
    peer->Read(4096);
    ::poll(nullptr, 0, 1);
  }
}

void RelayRig::AwaitEvent(int fd, short events) {
  pollfd entry = {fd, events, 0};
  ASSERT_EQ(::poll(&entry, 1, std::chrono::milliseconds(kBound).count()), 1);
}

void RelayRig::Pass(Duration time, Duration step) {
  for (Duration passed{}; passed < time; passed += step) {
    clock_.Advance(step);
    Rounds(2);
  }
}

bool RelayRig::ReadBytes(TestPeer* peer, size_t bytes) {
  return DriveUntil([&] {
           peer->Read();
           return peer->received().size() >= bytes ||
                  peer->end() != TestPeer::kOpen;
         }) &&
         peer->received().size() >= bytes;
}

int RelayRig::ReadEnd(TestPeer* peer) {
  DriveUntil([&] {
    peer->Read();
    return peer->end() != TestPeer::kOpen;
  });
  return peer->end();
}

void RelayRig::ExpectQuiet() {
  Rounds(50);
  const uint64_t calls = kernel_.calls();
  const uint64_t events = Events();
  constexpr int kRounds = 200;
  Rounds(kRounds);
  // An acknowledgement may still come in and bring an edge.
  EXPECT_LE(Events() - events, 4u) << "events in " << kRounds << " idle rounds";
  EXPECT_LE(kernel_.calls() - calls, 8u)
      << "calls in " << kRounds << " idle rounds";
}

uint64_t RelayRig::Sum(
    const std::function<uint64_t(const ForwardShard& shard)>& value) const {
  uint64_t sum = 0;
  for (size_t i = 0; i <= options_.reactors; ++i) {
    sum += value(const_cast<ForwardMetrics&>(metrics_).Shard(0, i));
  }
  return sum;
}

uint64_t RelayRig::Closed() const {
  uint64_t sum = 0;
  for (size_t i = 0; i < kCloseReasons; ++i) {
    sum += Closed(static_cast<CloseReason>(i));
  }
  return sum;
}

uint64_t RelayRig::Closed(CloseReason reason) const {
  return Sum([=](const ForwardShard& shard) {
    return shard.closed[Index(reason)].Value();
  });
}

uint64_t RelayRig::Received(Side from) const {
  return Sum([=](const ForwardShard& shard) {
    return shard.received[Index(from)].Value();
  });
}

uint64_t RelayRig::Sent(Side to) const {
  return Sum(
      [=](const ForwardShard& shard) { return shard.sent[Index(to)].Value(); });
}

uint64_t RelayRig::Discarded(Side from) const {
  return Sum([=](const ForwardShard& shard) {
    return shard.discarded[Index(from)].Value();
  });
}

uint64_t RelayRig::Connects(ConnectResult result) const {
  return Sum([=](const ForwardShard& shard) {
    return shard.connects[Index(result)].Value();
  });
}

uint64_t RelayRig::Accepted() const {
  return Sum([](const ForwardShard& shard) { return shard.accepted.Value(); });
}

int64_t RelayRig::Active(Stage stage) const {
  return static_cast<int64_t>(Sum([=](const ForwardShard& shard) {
    return static_cast<uint64_t>(shard.active[Index(stage)].Value());
  }));
}

size_t RelayRig::Sessions() const {
  size_t sum = 0;
  for (const auto& worker : workers_) sum += worker->sessions();
  return sum;
}

size_t RelayRig::Lent() const {
  size_t sum = 0;
  for (const auto& worker : workers_) sum += worker->pools().buffers.lent();
  return sum;
}

size_t RelayRig::LentPipes() const {
  size_t sum = 0;
  for (const auto& worker : workers_) sum += worker->pools().pipes.lent();
  return sum;
}

uint64_t RelayRig::Relayed(RelayPath path) const {
  uint64_t sum = 0;
  for (const auto& worker : workers_) {
    sum += worker->metrics().relayed[static_cast<size_t>(path)].Value();
  }
  return sum;
}

uint64_t RelayRig::Fallbacks(SpliceFallback reason) const {
  uint64_t sum = 0;
  for (const auto& worker : workers_) {
    const SpliceMetrics& splice = worker->pools().pipes.metrics();
    sum += splice.fallbacks[static_cast<size_t>(reason)].Value();
  }
  return sum;
}

uint64_t RelayRig::Events() const {
  uint64_t sum = 0;
  for (const auto& monitor : monitors_) sum += monitor->events();
  return sum;
}

uint64_t RelayRig::AcceptErrors(AcceptError error) const {
  uint64_t sum = 0;
  for (const auto& worker : workers_) {
    sum += worker->accepts().errors[Index(error)].Value();
  }
  if (dedicated_ != nullptr) {
    sum += dedicated_->accepts().errors[Index(error)].Value();
  }
  return sum;
}

void RelayRig::Register(Registry* registry) {
  metrics_.Register(&clock_, registry);
  for (size_t i = 0; i < workers_.size(); ++i) {
    workers_[i]->Register(absl::StrCat(i), registry);
  }
  if (dedicated_ != nullptr) dedicated_->Register(registry);
}

bool RelayRig::Move(size_t from, size_t to) {
  Session* session = nullptr;
  for (uint64_t id = 1; id < 1000 && session == nullptr; ++id) {
    session = workers_[from]->Find(id);
  }
  if (session == nullptr) return false;
  bool moved = false;
  session->Detach([&](SessionState state) {
    workers_[to]->Attach(std::move(state));
    moved = true;
  });
  return DriveUntil([&] { return moved; });
}

}  // namespace weir
