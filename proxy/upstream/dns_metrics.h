// Public. What the control loop counts of look-ups.

#ifndef PROXY_UPSTREAM_DNS_METRICS_H_
#define PROXY_UPSTREAM_DNS_METRICS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "metrics/instrument.h"
#include "metrics/registry.h"

namespace weir {

// How a look-up of a name ended.
enum class DnsResult : uint8_t {
  kOk,
  kNotFound,  // no such name, or a name without an address
  kTimeout,   // nobody answered
  kError,     // refused, failed or unreachable server; not a name
};
inline constexpr std::array<std::string_view, 4> kDnsResultNames = {
    "ok", "not_found", "timeout", "error"};

// Written by the control loop, read by any thread.
struct alignas(kCacheLine) DnsMetrics {
  std::array<Counter, kDnsResultNames.size()> resolutions;

  // As Resolver's callback is told it.
  void Count(absl::StatusCode code) {
    DnsResult result = DnsResult::kError;
    if (code == absl::StatusCode::kOk) result = DnsResult::kOk;
    if (code == absl::StatusCode::kNotFound) result = DnsResult::kNotFound;
    if (code == absl::StatusCode::kDeadlineExceeded) {
      result = DnsResult::kTimeout;
    }
    resolutions[static_cast<size_t>(result)].Add();
  }

  // Adds weir_dns_resolutions_total. This outlives the registry's last scrape.
  void Register(Registry* registry) const {
    for (size_t i = 0; i < resolutions.size(); ++i) {
      registry->AddCounter(
          "weir_dns_resolutions_total", "Look-ups of names, by how they ended.",
          {{"result", std::string(kDnsResultNames[i])}}, &resolutions[i]);
    }
  }
};

}  // namespace weir

#endif  // PROXY_UPSTREAM_DNS_METRICS_H_
