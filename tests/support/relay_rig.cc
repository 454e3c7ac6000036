#include "tests/support/relay_rig.h"

#include <dirent.h>
#include <signal.h>
#include <sys/socket.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "gtest/gtest.h"
#include "metrics/occupancy.h"
#include "proxy/relay/stream_options.h"
#include "tests/support/rig_sockets.h"

namespace weir {
namespace {

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

FdKind KindOf(sa_family_t family) {
  return family == AF_UNIX ? FdKind::kUnix : FdKind::kTcp;
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

void RelayRig::Resolve(std::vector<Address> addresses) {
  auto list = std::make_shared<AddressList>();
  list->addresses = std::move(addresses);
  list->generation = 1;
  for (const auto& worker : workers_) worker->SetAddresses(0, list);
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
