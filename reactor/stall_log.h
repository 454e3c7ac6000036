// Internal to reactor/. The stalls of one loop: counted, and the last ones
// kept.

#ifndef REACTOR_STALL_LOG_H_
#define REACTOR_STALL_LOG_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "metrics/instrument.h"
#include "metrics/seq_cell.h"
#include "reactor/callback_kind.h"
#include "reactor/stall.h"

namespace weir {

class StallLog {
 public:
  static constexpr size_t kKept = 32;

  // Loop thread. `stall.number` is given here.
  void Add(Stall stall);

  // Any thread. The newest first.
  std::vector<Stall> Last() const;
  // `kind` may be kCallbackKinds: iterations.
  const Counter& count(size_t kind) const { return counts_[kind]; }
  const Counter& nanos(StallCause cause) const {
    return nanos_[static_cast<size_t>(cause)];
  }

 private:
  Counter added_;
  std::array<Counter, kCallbackKinds + 1> counts_;
  std::array<Counter, kStallCauseNames.size()> nanos_;
  std::array<SeqCell<Stall>, kKept> kept_;
};

}  // namespace weir

#endif  // REACTOR_STALL_LOG_H_
