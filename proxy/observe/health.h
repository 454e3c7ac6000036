// Public. What the process tells its supervisor about itself.

#ifndef PROXY_OBSERVE_HEALTH_H_
#define PROXY_OBSERVE_HEALTH_H_

#include <atomic>
#include <cstdint>
#include <string_view>

namespace weir {

// Any thread; written by the control loop. Phases only go forward.
class Health {
 public:
  enum class Phase : uint8_t {
    kStarting,  // not every listener is bound
    kReady,     // serving
    kDraining,  // serves what it has, wants nothing new
  };

  void Set(Phase phase) { phase_.store(phase, std::memory_order_release); }
  Phase phase() const { return phase_.load(std::memory_order_acquire); }

  bool ready() const { return phase() == Phase::kReady; }
  bool draining() const { return phase() == Phase::kDraining; }

 private:
  // Release and acquire: who sees a phase also sees what was done before it.
  std::atomic<Phase> phase_{Phase::kStarting};
};

constexpr std::string_view PhaseName(Health::Phase phase) {
  switch (phase) {
    case Health::Phase::kStarting:
      return "starting";
    case Health::Phase::kReady:
      return "ready";
    case Health::Phase::kDraining:
      return "draining";
  }
  return "";
}

}  // namespace weir

#endif  // PROXY_OBSERVE_HEALTH_H_
