// Internal to observe. GET /debug/reactors: what each loop does now, and its
// last stalls.

#ifndef PROXY_OBSERVE_ADMIN_LOOPS_H_
#define PROXY_OBSERVE_ADMIN_LOOPS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "proxy/observe/admin_sources.h"
#include "reactor/clock.h"
#include "reactor/stall.h"

namespace weir {

// Names of functions, innermost first, for what a stall keeps of its stack.
using StackNames = std::function<std::vector<std::string>(
    const decltype(Stall::stack)& stack)>;

// On the admin server's thread.
class AdminLoops {
 public:
  // `facts` and `clock` outlive this. Null `names`: stacks are empty.
  AdminLoops(const ProcessFacts* facts, std::vector<LoopSource> loops,
             StackNames names, Clock* clock);

  nlohmann::ordered_json Get();

 private:
  // Texts that were made for a loop's stalls, by their number.
  using Names = std::map<uint64_t, std::vector<std::string>>;

  nlohmann::ordered_json LoopJson(const LoopSource& loop, Names* names) const;
  nlohmann::ordered_json CurrentJson(const LoopActivity& activity) const;
  nlohmann::ordered_json StallJson(const Stall& stall, const Names& old,
                                   Names* names) const;
  // Members "forward" and "connection".
  void AddSubject(const Subject& subject, nlohmann::ordered_json* json) const;
  std::vector<std::string> NamesOf(const decltype(Stall::stack)& stack) const;

  const ProcessFacts* const facts_;
  const std::vector<LoopSource> loops_;
  const StackNames names_of_;
  Clock* const clock_;
  std::vector<Names> names_;  // of each loop
};

}  // namespace weir

#endif  // PROXY_OBSERVE_ADMIN_LOOPS_H_
