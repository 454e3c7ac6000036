#include "proxy/relay/shard_policy.h"

#include "glog/logging.h"

namespace weir {
namespace {

// One writer: a load and a store, no locked instruction.
void AddOne(std::atomic<int64_t>* word) {
  word->store(word->load(std::memory_order_relaxed) + 1,
              std::memory_order_relaxed);
}

}  // namespace

LoadMatrix::LoadMatrix(size_t reactors)
    : reactors_(reactors),
      lines_per_row_((reactors + kWordsPerLine - 1) / kWordsPerLine),
      assigned_(std::make_unique<Line[]>(reactors * lines_per_row_)),
      finished_(std::make_unique<Line[]>(reactors)) {
  CHECK_GT(reactors, 0u);
}

void LoadMatrix::Assigned(size_t by, size_t to) {
  AddOne(&AssignedWord(by, to));
}

void LoadMatrix::Finished(size_t reactor) {
  AddOne(&finished_[reactor].words[0]);
}

int64_t LoadMatrix::Load(size_t reactor) const {
  int64_t load = -finished_[reactor].words[0].load(std::memory_order_relaxed);
  for (size_t i = 0; i < reactors_; ++i) {
    load += AssignedWord(i, reactor).load(std::memory_order_relaxed);
  }
  return load;
}

Picker::Picker(LoadMatrix* loads, ShardPolicy policy, size_t self)
    : loads_(loads), policy_(policy), self_(self), next_(self) {
  CHECK_LT(self, loads->reactors());
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

size_t Picker::Pick() {
  size_t picked = self_;
  switch (policy_) {
    case ShardPolicy::kLeast:
      picked = Least();
      break;
    case ShardPolicy::kRoundRobin:
      picked = next_;
      break;
    case ShardPolicy::kLocal:
      break;
  }
  next_ = (picked + 1) % loads_->reactors();
  loads_->Assigned(self_, picked);
  return picked;
}

}  // namespace weir
