#include "proxy/lifecycle/demo_peers.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "glog/logging.h"

namespace weir {
namespace {

constexpr int kRoundsAConnection = 200;
constexpr Duration kRest = std::chrono::milliseconds(2);
constexpr Duration kAway = std::chrono::milliseconds(50);
constexpr size_t kLargestMessage = 16 * 1024;

}  // namespace

class EchoServer::Connection final : private TransportObserver,
                                     private Runnable {
 public:
  Connection(EchoServer* server, UniqueFd fd) : server_(server) {
    transport_.Open(std::move(fd), FdKind::kTcp, Transport::Assume::kConnected);
    if (transport_.Register(server_->reactor_) == 0) Run();
  }
  ~Connection() { transport_.Close(server_->reactor_, false); }

  bool over() const {
    return !transport_.open() || transport_.error() != 0 || pump_.fin_sent();
  }

 private:
  void OnTransportReady(Transport*) noexcept override { Run(); }

  void Run() noexcept override {
    if (over()) return;
    Reactor& reactor = *server_->reactor_;
    const Pump::Site site{
        .kernel = &reactor.kernel(),
        .pools = &server_->pools_,
        .counters = {&server_->moved_, &server_->moved_, &server_->moved_,
                     server_->relayed_.data()},
        .splice = SpliceMode::kOff};
    const Pump::Outcome outcome =
        pump_.Run(site, transport_, transport_, /*last=*/false);
    if (outcome != Pump::Outcome::kWaiting) return reactor.Enqueue(this);
    if (pump_.wants_write(transport_)) transport_.Arm(&reactor, kWrite);
    if (pump_.wants_read()) transport_.Arm(&reactor, kRead);
  }

  EchoServer* const server_;
  Transport transport_{this};
  Pump pump_;
};

EchoServer::EchoServer(Reactor* reactor, UniqueFd listener)
    : reactor_(reactor),
      listener_(std::move(listener)),
      pools_(1 << 20, {.reactor = reactor}) {
  const Reactor::Registration registration =
      reactor_->Register(listener_.get(), FdKind::kLevel, this);
  CHECK_EQ(registration.error, 0);
  handle_ = registration.handle;
  reactor_->Arm(handle_, kRead);
}

EchoServer::~EchoServer() {
  connections_.clear();
  reactor_->Close(handle_, std::move(listener_));
}

void EchoServer::OnReady(Ready) noexcept {
  std::erase_if(connections_, [](const auto& c) { return c->over(); });
  const SysResult r = reactor_->kernel().Accept(
      listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (!r.ok()) return;
  connections_.push_back(std::make_unique<Connection>(
      this, UniqueFd(static_cast<int>(r.value), reactor_->kernel())));
}

EchoClient::EchoClient(Reactor* reactor, const Address& proxy,
                       size_t message_size)
    : reactor_(reactor),
      proxy_(proxy),
      message_size_(std::min(message_size, kLargestMessage)) {
  reactor_->Schedule(this, reactor_->Now());
}

EchoClient::~EchoClient() { transport_.Close(reactor_, false); }

void EchoClient::Connect() {
  Kernel& kernel = reactor_->kernel();
  const SysResult made = kernel.Socket(
      proxy_.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (!made.ok()) return Leave();
  UniqueFd fd(static_cast<int>(made.value), kernel);
  const SysResult r = kernel.Connect(fd.get(), proxy_.data(), proxy_.size());
  if (!r.ok() && r.error != EINPROGRESS) return Leave();
  transport_.Open(
      std::move(fd), FdKind::kTcp,
      r.ok() ? Transport::Assume::kConnected : Transport::Assume::kConnecting);
  if (transport_.Register(reactor_) != 0) return Leave();
  rounds_left_ = kRoundsAConnection;
  to_send_ = message_size_;
  to_receive_ = message_size_;
  if (transport_.writable()) return Send();
  transport_.Arm(reactor_, kWrite);
}

void EchoClient::OnTransportReady(Transport*) noexcept {
  if (to_send_ > 0 && transport_.writable()) Send();
  if (transport_.open() && to_send_ == 0) Receive();
}

void EchoClient::Send() {
  static constexpr std::array<char, kLargestMessage> kMessage{};
  to_send_ -=
      transport_.Write(reactor_->kernel(), kMessage.data(), to_send_).bytes;
  if (transport_.error() != 0) return Leave();
  transport_.Arm(reactor_, to_send_ > 0 ? kWrite : kRead);
}

void EchoClient::Receive() {
  std::array<char, kLargestMessage> buffer;
  while (to_receive_ > 0 && transport_.readable()) {
    const Transport::IoResult read =
        transport_.Read(reactor_->kernel(), buffer.data(), to_receive_);
    if (read.io == Transport::Io::kEnd || read.io == Transport::Io::kFailed) {
      return Leave();
    }
    to_receive_ -= read.bytes;
  }
  if (to_receive_ > 0) return transport_.Arm(reactor_, kRead);
  echoes_.Add();
  if (--rounds_left_ == 0) return Leave();
  reactor_->Schedule(this, reactor_->Now() + kRest);
}

void EchoClient::Leave() {
  transport_.Close(reactor_, false);
  transport_.ClearError();
  reactor_->Schedule(this, reactor_->Now() + kAway);
}

void EchoClient::OnTimer() noexcept {
  if (!transport_.open()) return Connect();
  to_send_ = message_size_;
  to_receive_ = message_size_;
  Send();
}

}  // namespace weir
