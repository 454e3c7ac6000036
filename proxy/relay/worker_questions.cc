// What an operator asks of a worker.

#include <algorithm>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "proxy/relay/worker.h"

namespace weir {

struct Worker::KillBatch {
  std::unordered_map<uint64_t, std::vector<Answer>> wanted;

  static void Tell(std::vector<Answer>* answers, bool was_here) {
    for (Answer& answer : *answers) {
      if (answer) std::move(answer)(was_here);
    }
  }
};

void Worker::List(std::optional<size_t> forward, size_t limit, Listed done) {
  auto list = std::make_shared<SessionList>();
  // At once: a vector that grows copies all it has within one turn.
  list->sessions.reserve(std::min(limit, sessions()));
  walks_.Begin(
      [this, list, forward, limit](Session& session) {
        if (forward.has_value() && session.forward().index != *forward) {
          return Visited::kLooked;
        }
        const bool room = list->sessions.size() < limit;
        if (!forward.has_value() && !room) return Visited::kEnough;
        ++list->total;
        if (room) {
          list->sessions.push_back(session.Info());
          list->sessions.back().reactor = options_.gate.row;
        }
        return Visited::kLooked;
      },
      [this, list, forward, limit, done = std::move(done)]() mutable {
        // Those behind the last one that was looked at.
        if (!forward.has_value() && list->total == limit) {
          list->total = std::max(limit, sessions());
        }
        std::move(done)(std::move(*list));
      });
}

void Worker::Kill(uint64_t id, Answer done) {
  const bool first = kills_ == nullptr;
  if (first) kills_ = std::make_shared<KillBatch>();
  kills_->wanted[id].push_back(std::move(done));
  if (!first) return;
  walks_.Begin(
      [this, batch = kills_](Session& session) {
        if (kills_ == batch) kills_.reset();  // its walk has begun
        const auto found = batch->wanted.find(session.id());
        if (found == batch->wanted.end()) return Visited::kLooked;
        std::vector<Answer> answers = std::move(found->second);
        batch->wanted.erase(found);
        session.Kill();
        KillBatch::Tell(&answers, true);
        return batch->wanted.empty() ? Visited::kEnough : Visited::kWorked;
      },
      [this, batch = kills_] {
        if (kills_ == batch) kills_.reset();
        for (auto& [unknown, answers] : batch->wanted) {
          KillBatch::Tell(&answers, false);
        }
      });
}

void Worker::InjectStall(InjectedStall how, Duration duration,
                         uint64_t connection, Answer begins) {
  if (connection == 0) {
    if (begins) std::move(begins)(true);
    return weir::InjectStall(how, duration);
  }
  struct Pending {
    Answer begins;
    bool begun = false;
  };
  auto stall = std::make_shared<Pending>(Pending{std::move(begins)});
  walks_.Begin(
      [this, how, duration, connection, stall](Session& session) {
        if (session.id() != connection) return Visited::kLooked;
        stall->begun = true;
        if (stall->begins) std::move(stall->begins)(true);
        reactor().Enter(CallbackKind::kRelay, session.subject());
        weir::InjectStall(how, duration);
        return Visited::kEnough;
      },
      [stall] {
        if (!stall->begun && stall->begins) std::move(stall->begins)(false);
      });
}

}  // namespace weir
