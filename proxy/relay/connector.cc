#include "proxy/relay/connector.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include "proxy/relay/stream_options.h"
#include "reactor/address.h"
#include "reactor/socket.h"

namespace weir {
namespace {

// AF_UNIX tells of no free place in a full backlog: it has to be tried again.
constexpr Duration kBacklogRetry = std::chrono::milliseconds(10);

// Whether it was established, spoke, and was reset: its bytes are the client's.
bool SpokeBeforeReset(Kernel& kernel, Transport* transport, int error) {
  char first;
  return (error == ECONNRESET || error == EPIPE) &&
         transport->Read(kernel, &first, 1, /*peek=*/true).io ==
             Transport::Io::kMoved;
}

}  // namespace

PortRange PortRange::Ephemeral() {
  std::ifstream file("/proc/sys/net/ipv4/ip_local_port_range");
  PortRange range;
  if (file >> range.first >> range.last) return range;
  return {32768, 60999};
}

ConnectResult ConnectResultOf(int error) {
  switch (error) {
    case 0:
      return ConnectResult::kOk;
    case ECONNREFUSED:
    case ECONNRESET:
    case ENOENT:  // AF_UNIX: nobody has made the socket
      return ConnectResult::kRefused;
    case ETIMEDOUT:
      return ConnectResult::kTimeout;
    case EAGAIN:
    case EADDRNOTAVAIL:  // no free local port
    case EADDRINUSE:
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case ENOSPC:
      return ConnectResult::kResources;
    default:
      return ConnectResult::kUnreachable;
  }
}

CloseReason CloseReasonOf(ConnectResult result) {
  switch (result) {
    case ConnectResult::kRefused:
      return CloseReason::kConnectRefused;
    case ConnectResult::kTimeout:
      return CloseReason::kConnectTimeout;
    case ConnectResult::kDns:
      return CloseReason::kDnsFailed;
    case ConnectResult::kResources:
      return CloseReason::kResources;
    case ConnectResult::kOk:
    case ConnectResult::kUnreachable:
      break;
  }
  return CloseReason::kConnectUnreachable;
}

const Address* Connector::address() const {
  if (addresses_ == nullptr || addresses_->addresses.empty()) return nullptr;
  const size_t last = addresses_->addresses.size() - 1;
  return &addresses_->addresses[std::min<size_t>(current_, last)];
}

Connector::Outcome Connector::Start(const Site& site, AddressListPtr addresses,
                                    Transport* transport) {
  addresses_ = std::move(addresses);
  current_ = 0;
  return Attempt(site, transport);
}

MonoTime Connector::AttemptDeadline(const Site& site) const {
  // An address that swallows packets leaves the others their share.
  const MonoTime now = site.reactor->Now();
  const auto left =
      static_cast<int64_t>(addresses_->addresses.size()) - current_;
  return now + (site.deadline - now) / std::max<int64_t>(left, 1);
}

Connector::Outcome Connector::Attempt(const Site& site, Transport* transport) {
  while (current_ < addresses_->addresses.size()) {
    const Outcome outcome = Connect(site, transport);
    if (outcome != Outcome::kFailed) return outcome;
  }
  return Outcome::kFailed;
}

Connector::Outcome Connector::Connect(const Site& site, Transport* transport) {
  Reactor& reactor = *site.reactor;
  Kernel& kernel = reactor.kernel();
  const Address& address = addresses_->addresses[current_];
  const bool tcp = address.family() != AF_UNIX;

  const SysResult made = kernel.Socket(
      address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (!made.ok()) return Fail(site, transport, made.error);
  UniqueFd fd(static_cast<int>(made.value), kernel);
  // A failure is no error: the connection works without. (No delay for small
  // writes comes with the second one.)
  if (tcp) (void)SetOobInline(kernel, fd.get());
  SetKeyedOptions(kernel, fd.get(), tcp, *site.forward);

  const SysResult r = kernel.Connect(fd.get(), address.data(), address.size());
  if (!tcp && r.error == EAGAIN) {
    due_ = std::min(reactor.Now() + kBacklogRetry, site.deadline);
    return Outcome::kPending;
  }
  const bool connected = r.ok() || r.error == EISCONN;
  // EINTR: the connection goes on by itself (connect(2)).
  if (!connected && r.error != EINPROGRESS && r.error != EINTR &&
      r.error != EALREADY) {
    return Fail(site, transport, r.error);
  }
  // Registered only now: a socket that was never connected reports a hang-up.
  transport->Open(std::move(fd), tcp ? FdKind::kTcp : FdKind::kUnix,
                  connected ? Transport::Assume::kConnected
                            : Transport::Assume::kConnecting);
  if (tcp && site.forward->no_delay) transport->PutOffNoDelay();
  if (const int error = transport->Register(&reactor); error != 0) {
    return Fail(site, transport, error);
  }
  if (connected) return Established(site, transport);
  const Outcome outcome = WriteFirst(site, transport);
  if (outcome != Outcome::kPending) return outcome;
  due_ = AttemptDeadline(site);
  transport->Arm(&reactor, kWrite | kHangup);
  return Outcome::kPending;
}

Connector::Outcome Connector::WriteFirst(const Site& site,
                                         Transport* transport) {
  Address local;
  if (site.first.empty() || transport->kind() != FdKind::kTcp ||
      MayBeItself(site, *transport, &local)) {
    return Outcome::kPending;
  }
  Kernel& kernel = site.reactor->kernel();
  const Transport::IoResult write =
      transport->Write(kernel, site.first.data(), site.first.size());
  *site.first_sent = write.bytes;
  if (write.bytes == 0) {
    if (write.io != Transport::Io::kFailed) return Outcome::kPending;
    if (!SpokeBeforeReset(kernel, transport, transport->error())) {
      return Fail(site, transport, transport->error());
    }
  }
  // Else the poller tells when it takes more.
  if (write.io != Transport::Io::kBlocked) transport->SetConnected();
  return Succeed(site);
}

Connector::Outcome Connector::Ready(const Site& site, Transport* transport) {
  if (!transport->open()) return Outcome::kPending;  // waits for a backlog
  Kernel& kernel = site.reactor->kernel();
  if (transport->ended() || (site.verify && transport->writable())) {
    const int error = TakeSocketError(kernel, transport->fd());
    if (SpokeBeforeReset(kernel, transport, error)) {
      transport->set_error(error);
    } else if (error != 0) {
      const Outcome failed = Fail(site, transport, error);
      return current_ < addresses_->addresses.size() ? Attempt(site, transport)
                                                     : failed;
    }
    // A hang-up without an error is a hint like others: is it connected?
    Address peer;
    if (error == 0 && GetPeerAddress(kernel, transport->fd(), &peer) != 0) {
      transport->SetConnecting();
    }
  }
  if (!transport->writable()) {
    transport->Arm(site.reactor, kWrite | kHangup);
    return Outcome::kPending;
  }
  const Outcome outcome = Established(site, transport);
  if (outcome != Outcome::kFailed) return outcome;
  return Attempt(site, transport);
}

Connector::Outcome Connector::Due(const Site& site, Transport* transport) {
  const bool over = site.reactor->Now() >= site.deadline;
  // A full backlog that never emptied is a time-out of this address too.
  if (transport->open() || over) {
    const Outcome failed = Fail(site, transport, ETIMEDOUT);
    if (over) return failed;
  }
  return Attempt(site, transport);
}

bool Connector::MayBeItself(const Site& site, const Transport& transport,
                            Address* local) const {
  // A loopback port that nobody listens on can be given to the very socket that
  // connects to it, which is then connected to itself. (The target itself may
  // be 0.0.0.0, which means this machine.)
  const uint16_t port = addresses_->addresses[current_].port();
  return site.local_ports.Contains(port) &&
         GetLocalAddress(site.reactor->kernel(), transport.fd(), local) == 0 &&
         local->port() == port;
}

Connector::Outcome Connector::Established(const Site& site,
                                          Transport* transport) {
  Address local, peer;
  if (MayBeItself(site, *transport, &local) &&
      GetPeerAddress(site.reactor->kernel(), transport->fd(), &peer) == 0 &&
      local == peer) {
    return Fail(site, transport, ECONNREFUSED);
  }
  transport->SetConnected();
  return Succeed(site);
}

Connector::Outcome Connector::Succeed(const Site& site) {
  result_ = ConnectResult::kOk;
  site.metrics->connects[Index(result_)].Add();
  due_ = kNever;
  return Outcome::kConnected;
}

Connector::Outcome Connector::Fail(const Site& site, Transport* transport,
                                   int error) {
  // The state of a socket whose connect() failed is unspecified: never reused.
  transport->Close(site.reactor, /*reset=*/false);
  transport->ClearError();
  error_ = error;
  result_ = ConnectResultOf(error);
  site.metrics->connects[Index(result_)].Add();
  ++current_;
  due_ = kNever;
  return Outcome::kFailed;
}

}  // namespace weir
