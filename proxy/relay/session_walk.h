// Public. Looks at all sessions of a loop a few at a time, so that the question
// of an operator does not itself stall the loop.

#ifndef PROXY_RELAY_SESSION_WALK_H_
#define PROXY_RELAY_SESSION_WALK_H_

#include <cstddef>

#include "absl/functional/any_invocable.h"
#include "proxy/relay/session.h"
#include "reactor/intrusive_list.h"
#include "reactor/reactor.h"

namespace weir {

class SessionWalk;

// The walks through one list of sessions. Loop thread only.
class SessionWalks {
 public:
  // A visit reads a few cache lines of a session that nobody else touches: 256
  // of them take tens of microseconds, as a turn of a busy stream does.
  static constexpr size_t kPerTurn = 256;

  // Returns false when it has seen enough. May close the session, or others.
  using Visit = absl::AnyInvocable<bool(Session& session)>;
  using Done = absl::AnyInvocable<void() &&>;

  // Both outlive this.
  SessionWalks(Reactor* reactor, IntrusiveList<Session>* sessions)
      : reactor_(reactor), sessions_(sessions) {}
  // Walks that go on are given up; their `done` is destroyed, unrun.
  ~SessionWalks();
  SessionWalks(const SessionWalks&) = delete;
  SessionWalks& operator=(const SessionWalks&) = delete;

  // Visits, from the next round on, each session that is in the list now and
  // still there when its turn comes; `done` runs behind the last one. `count`:
  // how many there are. More are not visited, so a walk ends although
  // connections come faster than it goes.
  void Begin(size_t count, Visit visit, Done done);

  // Called before `session` leaves the list.
  void OnLeaving(Session* session);

 private:
  Reactor* const reactor_;
  IntrusiveList<Session>* const sessions_;
  IntrusiveList<SessionWalk> walks_;
};

// One walk. Owned by its SessionWalks until it is over, then by the reactor
// until the round is.
class SessionWalk final : public Retired,
                          public ListNode<SessionWalk>,
                          private Runnable {
 public:
  SessionWalk(Reactor* reactor, IntrusiveList<Session>* sessions, size_t count,
              SessionWalks::Visit visit, SessionWalks::Done done);

  void OnLeaving(Session* session) {
    if (session == next_) next_ = sessions_->Next(session);
  }

 private:
  void Run() noexcept override;

  Reactor* const reactor_;
  IntrusiveList<Session>* const sessions_;
  Session* next_;  // null: none is left
  size_t left_;
  SessionWalks::Visit visit_;
  SessionWalks::Done done_;
};

}  // namespace weir

#endif  // PROXY_RELAY_SESSION_WALK_H_
