// Public. The instruments of the forwards: one shard a forward and reactor,
// written by that reactor alone.

#ifndef PROXY_OBSERVE_FORWARD_METRICS_H_
#define PROXY_OBSERVE_FORWARD_METRICS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/instrument.h"
#include "metrics/registry.h"
#include "proxy/config/forward_spec.h"
#include "proxy/observe/close_reason.h"

namespace weir {

// The two sides of a session.
enum class Side : uint8_t { kClient, kUpstream };
inline constexpr std::array<std::string_view, 2> kSideNames = {"client",
                                                               "upstream"};

// What a session is doing.
enum class Stage : uint8_t {
  kWaiting,     // for the name of its upstream
  kConnecting,  // to its upstream
  kRelaying,
  kAborting,  // flushes what is left, then resets
  kClosed,
};
inline constexpr std::array<std::string_view, 4> kStageNames = {
    "waiting", "connecting", "relaying", "aborting"};

// How an attempt to connect ended.
enum class ConnectResult : uint8_t {
  kOk,
  kRefused,
  kTimeout,
  kUnreachable,
  kDns,
  kResources,
};
inline constexpr std::array<std::string_view, 6> kConnectResultNames = {
    "ok", "refused", "timeout", "unreachable", "dns", "resources"};

template <typename Enum>
constexpr size_t Index(Enum e) {
  return static_cast<size_t>(e);
}

// Loop thread of one reactor writes, any thread reads.
struct alignas(kCacheLine) ForwardShard {
  Counter accepted;
  // A Detach takes one away here and the Attach adds it elsewhere: only the sum
  // over the shards means something.
  std::array<Gauge, kStageNames.size()> active;
  std::array<Counter, kCloseReasons> closed;
  // By Side: payload that came from it, went to it, and came from it and was
  // never sent on.
  std::array<Counter, 2> received;
  std::array<Counter, 2> sent;
  std::array<Counter, 2> discarded;
  std::array<Counter, kConnectResultNames.size()> connects;
};

// The shards of all forwards. Built before the loops start, outlives them.
class ForwardMetrics {
 public:
  ForwardMetrics(const std::vector<ForwardSpec>& forwards, size_t reactors);

  ForwardShard& Shard(size_t forward, size_t reactor) {
    return shards_[forward * reactors_ + reactor];
  }

  const ForwardShard& Shard(size_t forward, size_t reactor) const {
    return shards_[forward * reactors_ + reactor];
  }

  // Names every family and child, so that all are there at zero.
  void Register(Registry* registry) const;

 private:
  struct Labels {
    std::string forward;
    std::string upstream;
  };

  const size_t reactors_;
  std::vector<Labels> labels_;
  // unique_ptr: the shards hold atomics and do not move.
  std::unique_ptr<ForwardShard[]> shards_;
};

}  // namespace weir

#endif  // PROXY_OBSERVE_FORWARD_METRICS_H_
