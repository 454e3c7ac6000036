// Public. Which reactor gets an accepted connection.

#ifndef PROXY_RELAY_SHARD_POLICY_H_
#define PROXY_RELAY_SHARD_POLICY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "metrics/instrument.h"
#include "proxy/config/shard_policy_kind.h"
#include "proxy/relay/lateness.h"
#include "reactor/clock.h"

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
  // `acceptors` is how many loops assign: all reactors, and the control loop
  // behind them.
  LoadMatrix(size_t reactors, size_t acceptors);
  LoadMatrix(const LoadMatrix&) = delete;
  LoadMatrix& operator=(const LoadMatrix&) = delete;

  size_t reactors() const { return reactors_; }
  size_t acceptors() const { return acceptors_; }

  // On the loop `by`: a connection is `to`'s from now on. An Attach() is
  // assigned by its own reactor to itself.
  void Assigned(size_t by, size_t to);

  // On reactor `reactor`: a connection of its own is closed, detached, or was
  // handed to it and never opened.
  void Finished(size_t reactor);

  // Any thread. May be negative for a moment: an end can be seen before its
  // assignment.
  int64_t Load(size_t reactor) const;
  // Any thread. How many connections the reactor was given so far.
  int64_t Given(size_t reactor) const;

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
  const size_t acceptors_;
  const size_t lines_per_row_;
  // Row i is written by loop i only and shares no cache line with another.
  const std::unique_ptr<Line[]> assigned_;
  // Line j is written by reactor j only; its first word counts.
  const std::unique_ptr<Line[]> finished_;
};

// One an accepting loop; on its thread only.
//
// `lag` looks at all reactors (power of all choices: they are few, and a random
// two of them would miss the one that is idle). Those that are not stuck come
// first; among them the one with the least (load + 1) / share gets the
// connection, where share is what Lateness leaves of a reactor's time, in
// eighths: a reactor that is 90 % busy is given one connection where an idle
// one is given eight. Reactors that are about equally late have equal shares,
// and then it is `least`. A connection is not moved later: who was late when it
// came may not be so for long, so a reactor that recovers is filled up again.
class Picker {
 public:
  // `self` is the accepting loop's row in `loads`, which outlives this. `local`
  // is `least` on a loop that is no reactor. `read`: for `lag` only.
  Picker(LoadMatrix* loads, ShardPolicy policy, size_t self,
         Lateness::Read read = nullptr);

  // The reactor that gets the next connection, which counts as assigned now. Of
  // several that are equal, the next behind the last pick: so idle reactors
  // take turns. `now`: the accepting loop's.
  size_t Pick(MonoTime now);

 private:
  size_t Least() const;
  size_t LeastLate(MonoTime now);

  LoadMatrix* const loads_;
  const ShardPolicy policy_;
  const size_t self_;
  Lateness lateness_;
  size_t next_;
};

}  // namespace weir

#endif  // PROXY_RELAY_SHARD_POLICY_H_
