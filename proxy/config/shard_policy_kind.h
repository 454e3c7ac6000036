// Public. How accepted connections are spread over the reactors (--shard).

#ifndef PROXY_CONFIG_SHARD_POLICY_KIND_H_
#define PROXY_CONFIG_SHARD_POLICY_KIND_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir {

enum class ShardPolicy : uint8_t {
  kLeast,       // the reactor that has the fewest connections
  kRoundRobin,  // each in turn
  kLag,         // as kLeast, but a reactor that runs late gets fewer
  kLocal,       // the one that accepted
};

inline constexpr std::array<std::string_view, 4> kShardPolicyNames = {
    "least", "round_robin", "lag", "local"};

constexpr std::string_view ShardPolicyName(ShardPolicy policy) {
  return kShardPolicyNames[static_cast<size_t>(policy)];
}

}  // namespace weir

#endif  // PROXY_CONFIG_SHARD_POLICY_KIND_H_
