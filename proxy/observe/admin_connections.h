// Internal to observe. GET /debug/connections and POST /connections/ID/close:
// questions that only the loops can answer.

#ifndef PROXY_OBSERVE_ADMIN_CONNECTIONS_H_
#define PROXY_OBSERVE_ADMIN_CONNECTIONS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "metrics/http_message.h"
#include "metrics/http_reply.h"
#include "metrics/http_server.h"
#include "proxy/observe/admin_sources.h"
#include "reactor/clock.h"

namespace weir {

// How long a loop gets to answer.
inline constexpr std::chrono::milliseconds kAnswerLimit{250};

// "reactor 1", "reactors 1, 2".
std::string LoopNames(const std::vector<std::string>& names);

// GET /debug/connections. Everything on the admin server's thread.
//
// All requests for one forward (or for all) that come while its question is
// under way share the answer, and a loop that has not answered an earlier
// question is not asked again: however many clients ask, and however long a
// loop stalls, at most one question for each forward and one for all wait in
// its mailbox. It is asked for no more rows than the hungriest of them wants,
// and again when a hungrier one comes.
class ConnectionLister {
 public:
  static constexpr size_t kMostRows = 10'000;
  // Requests that may share an answer: each is sent all of it.
  static constexpr size_t kMostWaiters = 8;

  // `facts` and `clock` outlive this, and this outlives the server's thread,
  // which `post` leads to.
  ConnectionLister(const ProcessFacts* facts, std::vector<WorkerSource> workers,
                   HttpServer::Poster post, Clock* clock);
  ~ConnectionLister();

  // ?forward=NAME and ?limit=N.
  HttpDeferral Get(const HttpRequest& request, HttpReply reply);

 private:
  struct Part;
  struct Waiter;
  struct Round;
  struct Merged;

  void Begin(Round* round);
  // Unless its last answer is still to come.
  void AskWorker(Round* round, size_t worker);
  // Those whose answer has been too short for what is wanted now.
  void AskForMore(Round* round);
  void OnAnswer(Round* round, size_t worker, size_t limit,
                ConnectionRows answer);
  // Answers all that wait, with what has come.
  void Finish(Round* round);
  HttpResponse ResponseFor(Merged* merged, size_t limit) const;

  const ProcessFacts* const facts_;
  const std::vector<WorkerSource> workers_;
  const HttpServer::Poster post_;
  Clock* const clock_;
  // As JSON.
  std::vector<std::string> reactor_names_;
  std::vector<std::string> forward_names_;
  std::vector<Round> rounds_;  // of each forward, and of all; never grows
};

// POST /connections/{id}/close. Everything on the admin server's thread.
class ConnectionKiller {
 public:
  // Of so many some loop may not have answered. More are refused.
  static constexpr size_t kMostUnanswered = 64;

  // This outlives the server's thread, which `post` leads to.
  ConnectionKiller(std::vector<WorkerSource> workers, HttpServer::Poster post);

  HttpDeferral Post(const HttpRequest& request, HttpReply reply);

 private:
  struct Question;

  const std::vector<WorkerSource> workers_;
  const HttpServer::Poster post_;
  size_t unanswered_ = 0;
};

}  // namespace weir

#endif  // PROXY_OBSERVE_ADMIN_CONNECTIONS_H_
