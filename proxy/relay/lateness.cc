#include "proxy/relay/lateness.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace weir {
namespace {

constexpr double kSecondsPerNano = 1e-9;
constexpr double kMillisPerSecond = 1e3;

}  // namespace

Lateness::Lateness(size_t reactors, Read read)
    : read_(std::move(read)), loops_(reactors) {}

void Lateness::Look(MonoTime now) {
  if (looked_at_ != kNever && now - looked_at_ < kFresh) return;
  looked_at_ = now;
  for (size_t i = 0; i < loops_.size(); ++i) Update(&loops_[i], read_(i));
}

void Lateness::Update(Loop* loop, const LagHistogram::Snapshot& now) {
  loop->stuck = Duration(static_cast<int64_t>(now.age_ns)) >= kStuck;
  const LagHistogram::Snapshot before = std::exchange(loop->last, now);
  // Signed: a store may leave a processor after the clock was read behind it,
  // so a total may be some nanoseconds less than it was.
  const auto span = static_cast<double>(now.TotalNanos()) -
                    static_cast<double>(before.TotalNanos());
  if (span <= 0) return;
  const double busy =
      (static_cast<double>(now.busy_ns) - static_cast<double>(before.busy_ns)) /
      span;
  const double lag_ms = (now.lag_integral - before.lag_integral) /
                        (span * kSecondsPerNano) * kMillisPerSecond;
  const double news = span / (span + static_cast<double>(kMemory.count()));
  loop->busy += news * (std::clamp(busy, 0.0, 1.0) - loop->busy);
  loop->lag_ms += news * (std::max(lag_ms, 0.0) - loop->lag_ms);
  const double share = kWhole * (1 - loop->busy) / (1 + loop->lag_ms);
  loop->share = std::clamp(static_cast<int>(std::ceil(share)), 1, kWhole);
}

}  // namespace weir
