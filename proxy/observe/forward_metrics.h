// Public. The instruments of the forwards: one shard a forward and reactor,
// written by that reactor alone.

#ifndef PROXY_OBSERVE_FORWARD_METRICS_H_
#define PROXY_OBSERVE_FORWARD_METRICS_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/histogram.h"
#include "metrics/instrument.h"
#include "metrics/occupancy.h"
#include "metrics/registry.h"
#include "proxy/config/forward_spec.h"
#include "proxy/observe/close_reason.h"
#include "reactor/clock.h"

namespace weir {

// The two sides of a session.
enum class Side : uint8_t { kClient, kUpstream };
inline constexpr std::array<std::string_view, 2> kSideNames = {"client",
                                                               "upstream"};

// What a session is doing.
enum class Stage : uint8_t {
  kPreface,     // its first bytes are read by weir itself
  kWaiting,     // for the name of its upstream
  kConnecting,  // to its upstream
  kRelaying,
  kAborting,  // flushes what is left, then resets
  kClosed,
};
inline constexpr std::array<std::string_view, 5> kStageNames = {
    "preface", "waiting", "connecting", "relaying", "aborting"};

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

// Upper bounds in nanoseconds.
inline constexpr std::array<int64_t, 10> kAnswerBounds = {
    500'000,     1'500'000,   5'000'000,     15'000'000,    50'000'000,
    150'000'000, 500'000'000, 1'500'000'000, 4'000'000'000, 10'000'000'000};
inline constexpr std::array<int64_t, 15> kLifeBounds = {
    10'000'000,         30'000'000,         100'000'000,
    300'000'000,        1'000'000'000,      3'000'000'000,
    10'000'000'000,     30'000'000'000,     120'000'000'000,
    300'000'000'000,    900'000'000'000,    3'600'000'000'000,
    10'800'000'000'000, 28'800'000'000'000, 86'400'000'000'000};

// Loop thread of one reactor writes, any thread reads.
struct alignas(kCacheLine) ForwardShard {
  Counter accepted;
  // A Detach takes one away here and the Attach adds it elsewhere: only the sum
  // over the shards means something.
  std::array<Gauge, kStageNames.size()> active;
  std::array<Counter, kCloseReasons> closed;
  std::array<Counter, kRejectReasonNames.size()> rejected;
  // By Side: payload that came from it, went to it, and came from it and was
  // never sent on.
  std::array<Counter, 2> received;
  std::array<Counter, 2> sent;
  std::array<Counter, 2> discarded;
  // By Side: nothing is read from it, because the other one does not take what
  // it has sent; and how often that began.
  std::array<Occupancy, 2> paused;
  std::array<Counter, 2> pauses;
  std::array<Counter, kConnectResultNames.size()> connects;
  // When the upstream was last known to be there and not to be there, in the
  // clock's nanoseconds. Several reactors see it, each writes its own, and the
  // later word counts.
  Gauge upstream_up_at;
  Gauge upstream_down_at;
  // From the first call of connect() until the upstream answered; attempts at
  // other addresses that failed are in it.
  Histogram<kAnswerBounds> connect_time;
  // From accept() until a byte of the upstream was there.
  Histogram<kAnswerBounds> first_byte;
  Histogram<kLifeBounds> duration;  // of what closed

  void Closed(CloseReason reason, Duration after) {
    closed[static_cast<size_t>(reason)].Add();
    duration.Observe(after.count());
  }

  // Of what one reactor saw, the last word is the later one even when its clock
  // has not moved.
  void UpstreamUp(MonoTime now) {
    upstream_up_at.Set(
        std::max(now.time_since_epoch().count(), upstream_down_at.Value() + 1));
  }
  void UpstreamDown(MonoTime now) {
    upstream_down_at.Set(
        std::max(now.time_since_epoch().count(), upstream_up_at.Value() + 1));
  }
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

  // Names every family and child, so that all are there at zero. `clock` is
  // that of the loops; it and this outlive the registry's last scrape.
  void Register(Clock* clock, Registry* registry) const;

 private:
  struct Labels {
    std::string forward;
    std::string upstream;
  };

  // The families of one kind each, for one shard.
  static void RegisterConnections(const Labels& labels,
                                  const ForwardShard& shard,
                                  Registry* registry);
  static void RegisterTraffic(const Labels& labels, const ForwardShard& shard,
                              Clock* clock, Registry* registry);
  static void RegisterUpstream(const Labels& labels, const ForwardShard& shard,
                               Registry* registry);
  bool UpstreamUp(size_t forward) const;

  const size_t reactors_;
  std::vector<Labels> labels_;
  // unique_ptr: the shards hold atomics and do not move.
  std::unique_ptr<ForwardShard[]> shards_;
};

}  // namespace weir

#endif  // PROXY_OBSERVE_FORWARD_METRICS_H_
