#include "proxy/relay/shard_policy.h"

#include <algorithm>
#include <utility>

#include "glog/logging.h"

namespace weir {
namespace {

// One writer: a load and a store, no locked instruction.
void AddOne(std::atomic<int64_t>* word) {
  word->store(word->load(std::memory_order_relaxed) + 1,
              std::memory_order_relaxed);
}

}  // namespace

LoadMatrix::LoadMatrix(size_t reactors, size_t acceptors)
    : reactors_(reactors),
      acceptors_(acceptors),
      lines_per_row_((reactors + kWordsPerLine - 1) / kWordsPerLine),
      assigned_(std::make_unique<Line[]>(acceptors * lines_per_row_)),
      finished_(std::make_unique<Line[]>(reactors)) {
  CHECK_GT(reactors, 0u);
  CHECK_GE(acceptors, reactors);
}

void LoadMatrix::Assigned(size_t by, size_t to) {
  AddOne(&AssignedWord(by, to));
}

void LoadMatrix::Finished(size_t reactor) {
  AddOne(&finished_[reactor].words[0]);
}

int64_t LoadMatrix::Load(size_t reactor) const {
  return Given(reactor) -
         finished_[reactor].words[0].load(std::memory_order_relaxed);
}

int64_t LoadMatrix::Given(size_t reactor) const {
  int64_t given = 0;
  for (size_t i = 0; i < acceptors_; ++i) {
    given += AssignedWord(i, reactor).load(std::memory_order_relaxed);
  }
  return given;
}

Picker::Picker(LoadMatrix* loads, ShardPolicy policy, size_t self,
               Lateness::Read read)
    : loads_(loads),
      policy_(policy == ShardPolicy::kLocal && self >= loads->reactors()
                  ? ShardPolicy::kLeast
                  : policy),
      self_(self),
      lateness_(loads->reactors(), std::move(read)),
      next_(self % loads->reactors()) {
  CHECK_LT(self, loads->acceptors());
}

size_t Picker::Least() const {
  size_t best = next_;
  int64_t least = loads_->Load(best);
  for (size_t i = 1; i < loads_->reactors(); ++i) {
    const size_t candidate = (next_ + i) % loads_->reactors();
    const int64_t load = loads_->Load(candidate);
    if (load < least) {
      best = candidate;
      least = load;
    }
  }
  return best;
}

size_t Picker::LeastLate(MonoTime now) {
  lateness_.Look(now);
  const size_t count = loads_->reactors();
  // A comparison of products is exact, one of quotients would not be.
  const auto cost = [this](size_t i) {
    return std::max<int64_t>(loads_->Load(i), 0) + 1;
  };
  size_t best = next_;
  int64_t best_cost = cost(best);
  for (size_t i = 1; i < count; ++i) {
    const size_t candidate = (next_ + i) % count;
    const int64_t candidate_cost = cost(candidate);
    const bool better = lateness_.stuck(candidate) != lateness_.stuck(best)
                            ? lateness_.stuck(best)
                            : candidate_cost * lateness_.share(best) <
                                  best_cost * lateness_.share(candidate);
    if (better) {
      best = candidate;
      best_cost = candidate_cost;
    }
  }
  return best;
}

size_t Picker::Pick(MonoTime now) {
  size_t picked = self_;
  switch (policy_) {
    case ShardPolicy::kLeast:
      picked = Least();
      break;
    case ShardPolicy::kRoundRobin:
      picked = next_;
      break;
    case ShardPolicy::kLag:
      picked = LeastLate(now);
      break;
    case ShardPolicy::kLocal:
      break;
  }
  next_ = (picked + 1) % loads_->reactors();
  loads_->Assigned(self_, picked);
  return picked;
}

}  // namespace weir
