#include "reactor/loop_sampler.h"

#include <algorithm>
#include <utility>

namespace weir {

StallCause UsageSince::Cause() const {
  if (used.cpu * 5 >= busy * 4) return StallCause::kCpu;
  const Duration rest = busy - used.cpu;
  return used.run_delay * 2 >= rest ? StallCause::kPreempted
                                    : StallCause::kBlocked;
}

void LoopSampler::Start(std::unique_ptr<ThreadUsage> usage) {
  owned_.push_back(std::move(usage));
  ThreadUsage* const own = owned_.back().get();
  if (own != nullptr) last_.Store({taken_busy_, own->Read()});
  usage_.store(own, std::memory_order_release);
}

UsageSince LoopSampler::Take(Duration busy, MonoTime now) {
  taken_busy_ = busy;
  taken_at_ = now;
  ThreadUsage* const usage = usage_.load(std::memory_order_relaxed);
  if (usage == nullptr) return {};
  const Sample before = last_.Load();
  const Sample sample = {busy, usage->Read()};
  last_.Store(sample);
  return {sample.busy - before.busy,
          {sample.used.cpu - before.used.cpu,
           sample.used.run_delay - before.used.run_delay}};
}

UsageSince LoopSampler::Since(Duration busy) const {
  ThreadUsage* const usage = usage_.load(std::memory_order_acquire);
  if (usage == nullptr) return {};
  const Sample last = last_.Load();
  const Usage now = usage->Read();
  // The loop may have sampled meanwhile.
  return {std::max(busy - last.busy, Duration::zero()),
          {now.cpu - last.used.cpu, now.run_delay - last.used.run_delay}};
}

Duration LoopSampler::cpu() const {
  ThreadUsage* const usage = usage_.load(std::memory_order_acquire);
  return usage == nullptr ? Duration::zero() : usage->Read().cpu;
}

}  // namespace weir
