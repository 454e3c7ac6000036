// Public. What an acceptor counts beside the connections.

#ifndef PROXY_RELAY_ACCEPT_METRICS_H_
#define PROXY_RELAY_ACCEPT_METRICS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "metrics/instrument.h"
#include "metrics/registry.h"

namespace weir {

// Why a connection was not accepted when it could have been.
enum class AcceptError : uint8_t {
  kAborted,      // it died in the queue
  kDescriptors,  // EMFILE, ENFILE: the listener pauses
  kMemory,       // ENOBUFS, ENOMEM: the listener pauses
  kLimit,        // of connections: the listener pauses
  kOther,
};

inline constexpr std::array<std::string_view, 5> kAcceptErrorNames = {
    "aborted", "descriptors", "memory", "limit", "other"};

// One a reactor, written by it alone.
struct alignas(kCacheLine) AcceptMetrics {
  std::array<Counter, kAcceptErrorNames.size()> errors;

  void Count(AcceptError error) { errors[static_cast<size_t>(error)].Add(); }

  // Adds weir_accept_errors_total. This outlives the registry's last scrape.
  void Register(Registry* registry) const {
    for (size_t i = 0; i < errors.size(); ++i) {
      registry->AddCounter("weir_accept_errors_total",
                           "Connections that could not be accepted, by cause.",
                           {{"reason", std::string(kAcceptErrorNames[i])}},
                           &errors[i]);
    }
  }
};

}  // namespace weir

#endif  // PROXY_RELAY_ACCEPT_METRICS_H_
