// Public. Looks at all sessions of a loop a few at a time, so that the question
// of an operator does not itself stall the loop.

#ifndef PROXY_RELAY_SESSION_WALK_H_
#define PROXY_RELAY_SESSION_WALK_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "proxy/relay/session.h"
#include "reactor/intrusive_list.h"
#include "reactor/reactor.h"

namespace weir {

// The walks through one list of sessions, one after the other. Loop thread
// only.
class SessionWalks final : private Runnable {
 public:
  // What a visit did.
  enum class Visited : uint8_t {
    kLooked,  // read a few cache lines of a session that nobody else touches
    kWorked,  // made system calls or wrote a line: as much as kWork looks
    kEnough,  // and the walk is over
  };
  // Looks a turn: they take tens of microseconds, as a turn of a busy stream
  // does.
  static constexpr size_t kPerTurn = 256;
  static constexpr size_t kWork = 16;

  // May close the session, or others.
  using Visit = absl::AnyInvocable<Visited(Session& session)>;
  using Done = absl::AnyInvocable<void() &&>;

  // Both outlive this. `count` says how many sessions there are.
  SessionWalks(Reactor* reactor, IntrusiveList<Session>* sessions,
               absl::AnyInvocable<size_t() const> count)
      : reactor_(reactor), sessions_(sessions), count_(std::move(count)) {}
  // Walks that go on are given up; their `done` is destroyed, unrun.
  ~SessionWalks() = default;
  SessionWalks(const SessionWalks&) = delete;
  SessionWalks& operator=(const SessionWalks&) = delete;

  // Visits, from a later round on, when the walks before it are over, each
  // session that is in the list then and still there when its turn comes;
  // `done` runs behind the last one. As many are visited as there are at the
  // first visit, so a walk ends although connections come faster than it goes.
  void Begin(Visit visit, Done done);

  // Called before `session` leaves the list.
  void OnLeaving(Session* session) {
    if (session == next_) next_ = sessions_->Next(session);
  }

 private:
  struct Walk {
    Visit visit;
    Done done;
  };

  // A turn of the first walk; a round has one, however many wait.
  void Run() noexcept override;

  Reactor* const reactor_;
  IntrusiveList<Session>* const sessions_;
  const absl::AnyInvocable<size_t() const> count_;

  std::deque<Walk> walks_;
  // Of the first.
  bool begun_ = false;
  Session* next_ = nullptr;  // null: none is left
  size_t left_ = 0;
};

}  // namespace weir

#endif  // PROXY_RELAY_SESSION_WALK_H_
