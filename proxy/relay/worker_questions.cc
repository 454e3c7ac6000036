// What an operator asks of a worker.

#include <algorithm>
#include <memory>
#include <utility>

#include "proxy/relay/worker.h"

namespace weir {

void Worker::List(std::optional<size_t> forward, size_t limit, Listed done) {
  auto list = std::make_shared<SessionList>();
  // At once: a vector that grows copies all it has within one turn.
  list->sessions.reserve(std::min(limit, sessions()));
  walks_.Begin(
      sessions(),
      [this, list, forward, limit](Session& session) {
        if (forward.has_value() && session.forward().index != *forward) {
          return true;
        }
        ++list->total;
        if (list->sessions.size() < limit) {
          list->sessions.push_back(session.Info());
          list->sessions.back().reactor = options_.index;
        }
        return true;
      },
      [list, done = std::move(done)]() mutable {
        std::move(done)(std::move(*list));
      });
}

void Worker::Kill(uint64_t id, Answer done) {
  auto killed = std::make_shared<bool>(false);
  walks_.Begin(
      sessions(),
      [id, killed](Session& session) {
        if (session.id() != id) return true;
        *killed = true;
        session.Kill();
        return false;
      },
      [killed, done = std::move(done)]() mutable { std::move(done)(*killed); });
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
      sessions(),
      [this, how, duration, connection, stall](Session& session) {
        if (session.id() != connection) return true;
        stall->begun = true;
        if (stall->begins) std::move(stall->begins)(true);
        reactor().Enter(CallbackKind::kRelay, session.subject());
        weir::InjectStall(how, duration);
        return false;
      },
      [stall] {
        if (!stall->begun && stall->begins) std::move(stall->begins)(false);
      });
}

}  // namespace weir
