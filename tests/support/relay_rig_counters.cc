// What happened in the rig, of all its loops together.

#include <cstddef>
#include <cstdint>
#include <functional>

#include "tests/support/relay_rig.h"

namespace weir {

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

}  // namespace weir
