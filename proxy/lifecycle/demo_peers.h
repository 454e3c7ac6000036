// Internal to the demo. The two ends of its traffic: an upstream that echoes
// and clients that talk to it through the proxy.

#ifndef PROXY_LIFECYCLE_DEMO_PEERS_H_
#define PROXY_LIFECYCLE_DEMO_PEERS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "metrics/instrument.h"
#include "proxy/relay/pump.h"
#include "proxy/relay/transport.h"
#include "reactor/address.h"
#include "reactor/fd.h"
#include "reactor/reactor.h"
#include "reactor/timer_wheel.h"

namespace weir {

// A server that sends back what it gets: a pump whose source is its target.
// Loop thread only, or any thread before the loop starts.
class EchoServer final : public EventHandler {
 public:
  // `listener` is a listening socket.
  EchoServer(Reactor* reactor, UniqueFd listener);
  ~EchoServer();

 private:
  class Connection;

  void OnReady(Ready ready) noexcept override;

  Reactor* const reactor_;
  UniqueFd listener_;
  Handle handle_ = Handle::kNone;
  RelayPools pools_;
  Counter moved_;
  std::array<Counter, kRelayPathNames.size()> relayed_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

// A client: sends a message, waits for its echo, rests, and after some of these
// closes and connects anew. The same threads as above.
class EchoClient final : private TransportObserver, private Timer {
 public:
  EchoClient(Reactor* reactor, const Address& proxy, size_t message_size);
  ~EchoClient() override;

  // Messages that came back whole. Any thread.
  const Counter& echoes() const { return echoes_; }

 private:
  void OnTransportReady(Transport* transport) noexcept override;
  void OnTimer() noexcept override;

  void Connect();
  void Send();
  void Receive();
  // Closes, and connects again in a while.
  void Leave();

  Reactor* const reactor_;
  const Address proxy_;
  const size_t message_size_;
  Transport transport_{this};
  Counter echoes_;
  size_t to_send_ = 0;
  size_t to_receive_ = 0;
  int rounds_left_ = 0;
};

}  // namespace weir

#endif  // PROXY_LIFECYCLE_DEMO_PEERS_H_
