#include "reactor/stall_log.h"

#include <algorithm>

namespace weir {

void StallLog::Add(Stall stall) {
  const size_t kind =
      stall.kind ? static_cast<size_t>(*stall.kind) : kCallbackKinds;
  counts_[kind].Add();
  nanos_[static_cast<size_t>(stall.cause)].Add(
      static_cast<uint64_t>(stall.duration.count()));
  stall.number = added_.Value() + 1;
  kept_[stall.number % kKept].Store(stall);
  added_.Add();
}

std::vector<Stall> StallLog::Last() const {
  std::vector<Stall> stalls;
  for (const SeqCell<Stall>& cell : kept_) {
    const Stall stall = cell.Load();
    if (stall.number > 0) stalls.push_back(stall);
  }
  std::sort(stalls.begin(), stalls.end(),
            [](const Stall& a, const Stall& b) { return a.number > b.number; });
  return stalls;
}

}  // namespace weir
