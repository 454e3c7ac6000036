// Public. What is told of a session to somebody outside its loop.

#ifndef PROXY_RELAY_SESSION_INFO_H_
#define PROXY_RELAY_SESSION_INFO_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "proxy/observe/forward_metrics.h"
#include "proxy/observe/worker_metrics.h"
#include "proxy/relay/peer_name.h"
#include "reactor/address.h"
#include "reactor/clock.h"

namespace weir {

// Plain data of one moment, for any thread. Texts are made by whoever wants
// them, not by the loop.
struct SessionInfo {
  uint64_t id = 0;
  size_t forward = 0;  // its index
  size_t reactor = 0;  // that serves it
  Stage stage = Stage::kWaiting;
  PeerName client;
  Address upstream;  // of the last attempt; of no family before the first
  MonoTime opened_at;
  // When a byte moved last; before any did, when the session or its stage
  // began.
  MonoTime progress_at;
  // Sent on to the upstream and to the client.
  uint64_t bytes_up = 0;
  uint64_t bytes_down = 0;
  // Read, and not yet taken by the upstream and by the client.
  size_t buffered_up = 0;
  size_t buffered_down = 0;
  RelayPath path = RelayPath::kCopy;
};

struct SessionList {
  std::vector<SessionInfo> sessions;
  // How many there are, listed or not.
  size_t total = 0;
};

}  // namespace weir

#endif  // PROXY_RELAY_SESSION_INFO_H_
