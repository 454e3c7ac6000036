// The rig's peers, and its loops as a test drives them.

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "glog/logging.h"
#include "gtest/gtest.h"
#include "tests/support/relay_rig.h"
#include "tests/support/rig_sockets.h"
#include "tests/support/test_peer.h"

namespace weir {
namespace {

// Only a failing test gets there.
constexpr std::chrono::seconds kBound(30);
constexpr Duration kWait = std::chrono::milliseconds(1);

}  // namespace

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

}  // namespace weir
