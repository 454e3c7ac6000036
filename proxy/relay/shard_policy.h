// Public. Which reactor gets an accepted connection.

#ifndef PROXY_RELAY_SHARD_POLICY_H_
#define PROXY_RELAY_SHARD_POLICY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "metrics/instrument.h"
#include "proxy/config/shard_policy_kind.h"

namespace weir {

// How many connections each reactor has:
//
//   load of j = sum over i of assigned[i][j] - finished[j]
//
// Counted when a connection is assigned, not when it arrives: the next of a
// burst sees it at once, while a number that j published would send the whole
// burst to j. Every number has one writing thread and is relaxed: a reader may
// see an old one, which costs evenness and nothing else.
class LoadMatrix {
 public:
  explicit LoadMatrix(size_t reactors);
  LoadMatrix(const LoadMatrix&) = delete;
  LoadMatrix& operator=(const LoadMatrix&) = delete;

  size_t reactors() const { return reactors_; }

  // On reactor `by`: a connection is `to`'s from now on. An Attach() is
  // assigned by its own reactor to itself.
  void Assigned(size_t by, size_t to);

  // On reactor `reactor`: a connection of its own is closed, detached, or was
  // handed to it and never opened.
  void Finished(size_t reactor);

  // Any thread. May be negative for a moment: an end can be seen before its
  // assignment.
  int64_t Load(size_t reactor) const;

 private:
  using Word = std::atomic<int64_t>;
  static constexpr size_t kWordsPerLine = kCacheLine / sizeof(Word);
  struct alignas(kCacheLine) Line {
    Word words[kWordsPerLine];
  };

  Word& AssignedWord(size_t by, size_t to) const {
    return assigned_[by * lines_per_row_ + to / kWordsPerLine]
        .words[to % kWordsPerLine];
  }

  const size_t reactors_;
  const size_t lines_per_row_;
  // Row i is written by reactor i only and shares no cache line with another.
  const std::unique_ptr<Line[]> assigned_;
  // Line j is written by reactor j only; its first word counts.
  const std::unique_ptr<Line[]> finished_;
};

// One an accepting reactor; on its thread only.
class Picker {
 public:
  // `loads` outlives this.
  Picker(LoadMatrix* loads, ShardPolicy policy, size_t self);

  // The reactor that gets the next connection, which counts as assigned now. Of
  // several with the least load, the next behind the last pick: so idle
  // reactors take turns.
  size_t Pick();

 private:
  size_t Least() const;

  LoadMatrix* const loads_;
  const ShardPolicy policy_;
  const size_t self_;
  size_t next_;
};

}  // namespace weir

#endif  // PROXY_RELAY_SHARD_POLICY_H_
