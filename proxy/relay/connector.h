// Public. Connects a session to its upstream: the addresses of a snapshot one
// after the other, until one answers or the time is over.

#ifndef PROXY_RELAY_CONNECTOR_H_
#define PROXY_RELAY_CONNECTOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "proxy/config/forward_spec.h"
#include "proxy/observe/forward_metrics.h"
#include "proxy/relay/transport.h"
#include "proxy/upstream/address_list.h"
#include "reactor/clock.h"
#include "reactor/reactor.h"

namespace weir {

// The ports that the kernel gives to sockets which connect.
struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0;

  bool Contains(uint16_t port) const { return first <= port && port <= last; }

  // net.ipv4.ip_local_port_range, the kernel's default where it cannot be read.
  static PortRange Ephemeral();
};

// Loop thread only. The transport that it opens belongs to the session.
class Connector {
 public:
  enum class Outcome : uint8_t {
    kPending,    // call Ready() at an event and Due() at due()
    kConnected,  // the transport is open and registered
    kFailed,     // every address failed; result() and error() tell of the last
  };

  // Where it works; not kept, for an idle session must stay small.
  struct Site {
    Reactor* reactor;
    const ForwardSpec* forward;
    ForwardShard* metrics;
    MonoTime deadline;  // of all attempts together
    PortRange local_ports;
    bool verify;  // the poller reports no errors (select): look once more
    // What the client has sent, if known, and (out) how much of it an upstream
    // took meanwhile: never any of it when the outcome is not kConnected.
    std::span<const char> first;
    size_t* first_sent;
  };

  Outcome Start(const Site& site, AddressListPtr addresses,
                Transport* transport);
  // The transport saw an event.
  Outcome Ready(const Site& site, Transport* transport);
  // due() has come: an attempt timed out or a full backlog is tried again.
  Outcome Due(const Site& site, Transport* transport);

  MonoTime due() const { return due_; }
  ConnectResult result() const { return result_; }
  int error() const { return error_; }  // an errno
  // The address of the last attempt; null before the first. Valid while this
  // is.
  const Address* address() const;

 private:
  // Tries address after address until one is pending or connected.
  Outcome Attempt(const Site& site, Transport* transport);
  // One call of connect().
  Outcome Connect(const Site& site, Transport* transport);
  // A write tells at once whether a connection in progress is established, as
  // on loopback it is when connect() returns. That saves a wait.
  Outcome WriteFirst(const Site& site, Transport* transport);
  Outcome Established(const Site& site, Transport* transport);
  Outcome Succeed(const Site& site);
  // Whether the connection may be one to itself; `*local` is set if so.
  bool MayBeItself(const Site& site, const Transport& transport,
                   Address* local) const;
  // Notes the failure of this address.
  Outcome Fail(const Site& site, Transport* transport, int error);
  MonoTime AttemptDeadline(const Site& site) const;

  AddressListPtr addresses_;
  MonoTime due_ = kNever;
  int error_ = 0;
  uint16_t current_ = 0;
  ConnectResult result_ = ConnectResult::kUnreachable;
};

// The result and close reason that an errno of connect() stands for.
ConnectResult ConnectResultOf(int error);
CloseReason CloseReasonOf(ConnectResult result);

}  // namespace weir

#endif  // PROXY_RELAY_CONNECTOR_H_
