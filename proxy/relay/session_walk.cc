#include "proxy/relay/session_walk.h"

#include <utility>

#include "reactor/callback_kind.h"

namespace weir {

void SessionWalks::Begin(Visit visit, Done done) {
  walks_.push_back({std::move(visit), std::move(done)});
  reactor_->Enqueue(this);
}

void SessionWalks::Run() noexcept {
  reactor_->Describe(CallbackKind::kTask, {});
  if (!std::exchange(begun_, true)) {
    next_ = sessions_->Front();
    left_ = count_();
  }
  // (What a visit begins is added behind, and moves nothing.)
  Walk& walk = walks_.front();
  bool more = next_ != nullptr && left_ > 0;
  for (size_t looks = 0; more && looks < kPerTurn;) {
    --left_;
    // The visit may close the session.
    Session* const session = std::exchange(next_, sessions_->Next(next_));
    const Visited visited = walk.visit(*session);
    looks += visited == Visited::kWorked ? kWork : 1;
    more = visited != Visited::kEnough && next_ != nullptr && left_ > 0;
    // What follows is not that session's doing.
    if (visited == Visited::kWorked) reactor_->Enter(CallbackKind::kTask, {});
  }
  if (!more) {
    Walk over = std::move(walk);
    walks_.pop_front();
    begun_ = false;
    next_ = nullptr;
    std::move(over.done)();
  }
  if (!walks_.empty()) reactor_->Enqueue(this);
}

}  // namespace weir
