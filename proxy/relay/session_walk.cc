#include "proxy/relay/session_walk.h"

#include <memory>
#include <utility>

#include "reactor/callback_kind.h"

namespace weir {

SessionWalks::~SessionWalks() {
  while (SessionWalk* walk = walks_.Front()) delete walk;
}

void SessionWalks::Begin(size_t count, Visit visit, Done done) {
  walks_.PushBack(new SessionWalk(reactor_, sessions_, count, std::move(visit),
                                  std::move(done)));
}

void SessionWalks::OnLeaving(Session* session) {
  for (SessionWalk* walk = walks_.Front(); walk != nullptr;
       walk = walks_.Next(walk)) {
    walk->OnLeaving(session);
  }
}

SessionWalk::SessionWalk(Reactor* reactor, IntrusiveList<Session>* sessions,
                         size_t count, SessionWalks::Visit visit,
                         SessionWalks::Done done)
    : reactor_(reactor),
      sessions_(sessions),
      next_(sessions->Front()),
      left_(count),
      visit_(std::move(visit)),
      done_(std::move(done)) {
  reactor_->Enqueue(this);
}

void SessionWalk::Run() noexcept {
  reactor_->Describe(CallbackKind::kTask, {});
  bool more = true;
  for (size_t i = 0; i < SessionWalks::kPerTurn; ++i) {
    if (!more || next_ == nullptr || left_ == 0) {
      ListNode<SessionWalk>::Unlink();
      // Kept for the rest of the round, for this runs in it.
      reactor_->Retire(std::unique_ptr<Retired>(this));
      return std::move(done_)();
    }
    --left_;
    // The visit may close the session.
    Session* const session = std::exchange(next_, sessions_->Next(next_));
    more = visit_(*session);
  }
  reactor_->Enqueue(this);
}

}  // namespace weir
