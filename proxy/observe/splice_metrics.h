// Public. What the pipes of one reactor count.

#ifndef PROXY_OBSERVE_SPLICE_METRICS_H_
#define PROXY_OBSERVE_SPLICE_METRICS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "metrics/instrument.h"
#include "metrics/registry.h"

namespace weir {

// Why bytes of a bulk stream were copied, or went through a smaller pipe.
enum class SpliceFallback : uint8_t {
  kPipes,        // all that this process allows itself were lent
  kDescriptors,  // EMFILE, ENFILE
  kMemory,       // ENOMEM, ENOBUFS
  kUserLimit,    // the kernel's limit for a user left only a tiny pipe
  kPipeSize,     // it refused a large one: spliced, through a smaller one
  kRefused,      // the kernel splices nothing here, or not these sockets
};

inline constexpr std::array<std::string_view, 6> kSpliceFallbackNames = {
    "pipes", "descriptors", "memory", "user_limit", "pipe_size", "refused"};

// One a reactor, written by it alone, read by any thread.
struct alignas(kCacheLine) SpliceMetrics {
  std::array<Counter, kSpliceFallbackNames.size()> fallbacks;
  Gauge pipes;  // open, lent or kept
  Gauge held;   // bytes in them

  void Count(SpliceFallback reason) {
    fallbacks[static_cast<size_t>(reason)].Add();
  }

  // Names the families, those of the loop with the label reactor=`reactor`.
  // This outlives the registry's last scrape.
  void Register(const std::string& reactor, Registry* registry) const {
    for (size_t i = 0; i < fallbacks.size(); ++i) {
      registry->AddCounter(
          "weir_splice_fallbacks_total",
          "Times that bytes of a bulk stream were copied, or went through a "
          "smaller pipe, by cause.",
          {{"reason", std::string(kSpliceFallbackNames[i])}}, &fallbacks[i]);
    }
    registry->AddGauge("weir_reactor_pipes", "Pipes that are open to splice.",
                       {{"reactor", reactor}}, &pipes);
  }
};

}  // namespace weir

#endif  // PROXY_OBSERVE_SPLICE_METRICS_H_
