#include "proxy/relay/gate.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proxy/relay/worker.h"

namespace weir {

Gate::Gate(Options options)
    : options_(std::move(options)),
      picker_(options_.loads, options_.shard, options_.row,
              options_.read_loop) {
  for (size_t i = 0; i < options_.forwards->size(); ++i) {
    forwards_.push_back({.spec = &(*options_.forwards)[i],
                         .metrics = &options_.metrics->Shard(i, options_.row),
                         .warnings = LogLimiter(std::chrono::seconds(1))});
  }
}

void Gate::Start(const std::vector<Listener>& listeners) {
  AcceptorHost* const host = this;
  for (const Listener& listener : listeners) {
    acceptors_.push_back(std::make_unique<Acceptor>(
        host, listener.forward, listener.fd, listener.kind));
    acceptors_.back()->Start();
  }
}

void Gate::Stop(Task done) {
  if (acceptors_.empty()) return std::move(done)();
  auto left = std::make_shared<size_t>(acceptors_.size());
  auto shared = std::make_shared<Task>(std::move(done));
  for (const auto& acceptor : acceptors_) {
    acceptor->Stop([left, shared] {
      if (--*left == 0) std::move (*shared)();
    });
  }
}

void Gate::TakeQueue(const Listener& listener) {
  Acceptor(this, listener.forward, listener.fd, listener.kind).TakeQueue();
}

void Gate::OnAccepted(size_t forward, UniqueFd fd, FdKind kind,
                      const Address& client) {
  if (waiting_.load(std::memory_order_relaxed)) {
    waiting_.store(AtLimit(), std::memory_order_relaxed);
  }
  forwards_[forward].metrics->accepted.Add();
  const size_t owner = picker_.Pick(reactor().Now());
  Worker* const worker = (*options_.workers)[owner].get();
  if (owner == options_.row) {
    return worker->Adopt(forward, std::move(fd), kind, client);
  }
  const MonoTime now = reactor().clock().Now();
  worker->reactor().Post(
      [worker, forward, fd = std::move(fd), kind, client, now]() mutable {
        worker->TakeUp(forward, std::move(fd), kind, client, now);
      });
}

void Gate::OnAcceptPaused(size_t forward, int error) {
  if (error == 0) {
    // Stored, then looked at; Release() and TellRoom() the other way round. So
    // a place that comes free now is seen here or told.
    waiting_.store(true, std::memory_order_seq_cst);
    if (options_.admission->HasRoom()) TellRoom();
  }
  Forward& state = forwards_[forward];
  const auto refused = state.warnings.Allow(reactor().Now());
  if (!refused) return;
  options_.log->Line(
      LogLevel::kWarning,
      absl::StrCat(
          state.spec->name, ": accepting pauses: ",
          error == 0 ? absl::StrCat("the limit of ", options_.admission->max(),
                                    " connections is reached")
                     : std::string(std::strerror(error)),
          MoreLikeIt(*refused)));
}

bool Gate::AtLimit() const {
  return std::any_of(acceptors_.begin(), acceptors_.end(),
                     [](const auto& acceptor) { return acceptor->at_limit(); });
}

void Gate::OnRoom() {
  for (const auto& acceptor : acceptors_) acceptor->OnRoom();
}

void Gate::OnShortage(int error) {
  accept_metrics_.Count(AcceptError::kDescriptors);
  for (const auto& acceptor : acceptors_) acceptor->OnShortage(error);
}

void Gate::TellRoom() {
  if (!waiting_.load(std::memory_order_seq_cst)) return;
  if (told_.exchange(true, std::memory_order_relaxed)) return;
  reactor().Post([this] {
    told_.store(false, std::memory_order_relaxed);
    OnRoom();
  });
}

void Gate::TellShortage(int error) {
  reactor().Post([this, error] { OnShortage(error); });
}

}  // namespace weir
