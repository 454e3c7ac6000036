// POST /connections/{id}/close.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "metrics/http_query.h"
#include "nlohmann/json.hpp"
#include "proxy/observe/admin_connections.h"
#include "proxy/observe/responses.h"

namespace weir {
namespace {

HttpResponse Closed(int status, uint64_t id, const std::string& error) {
  nlohmann::ordered_json json = {{"id", id}, {"closed", error.empty()}};
  if (!error.empty()) json["error"] = error;
  return JsonResponse(status, json);
}

std::optional<uint64_t> ParseId(const std::string& text) {
  uint64_t id = 0;
  const bool digits =
      std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
  if (!digits || !absl::SimpleAtoi(text, &id)) return std::nullopt;
  return id;
}

}  // namespace

// What the loops were asked, and have said.
struct ConnectionKiller::Question {
  uint64_t id = 0;
  std::vector<std::string> silent;  // the names of those that have not
  bool closed = false;

  bool IsAnswered() const { return closed || silent.empty(); }
  HttpResponse Answer() const {
    if (closed) return Closed(kHttpOk, id, "");
    if (silent.empty()) return Closed(kHttpNotFound, id, "no such connection");
    return Closed(kHttpTimeout, id,
                  absl::StrCat(LoopNames(silent),
                               " did not answer within 250 ms; the connection "
                               "may be closed later"));
  }
};

ConnectionKiller::ConnectionKiller(std::vector<WorkerSource> workers,
                                   HttpServer::Poster post)
    : workers_(std::move(workers)), post_(std::move(post)) {}

HttpDeferral ConnectionKiller::Post(const HttpRequest& request,
                                    HttpReply reply) {
  const auto refuse = [&reply](int status, const std::string& why) {
    reply.Send(TextResponse(status, why));
    return HttpDeferral{kAnswerLimit, nullptr};
  };
  const std::optional<uint64_t> parsed = ParseId(request.segment);
  if (!parsed.has_value()) {
    return refuse(kHttpBadRequest,
                  absl::StrCat(QuoteParameter(request.segment),
                               " is not the id of a connection"));
  }
  const absl::Status query = HttpQuery::Parse(request.query, {}).status();
  if (!query.ok()) return refuse(kHttpBadRequest, std::string(query.message()));
  if (unanswered_ == kMostUnanswered) {
    return refuse(kHttpUnavailable,
                  "too many connections are being closed; try again");
  }

  // An id does not tell which loop has the connection: all are asked.
  const auto question = std::make_shared<Question>();
  question->id = *parsed;
  for (const WorkerSource& worker : workers_) {
    question->silent.push_back(worker.name);
  }
  if (!workers_.empty()) ++unanswered_;
  for (const WorkerSource& worker : workers_) {
    worker.kill(question->id, [this, post = post_, question, reply,
                               name = worker.name](bool had_it) {
      post([this, question, reply, name, had_it] {
        std::erase(question->silent, name);
        question->closed |= had_it;
        if (question->silent.empty()) --unanswered_;
        // (Of several answers the first counts.)
        if (question->IsAnswered()) reply.Send(question->Answer());
      });
    });
  }
  // An answer that a loop has given may still be on its way to the client.
  return {kAnswerLimit, [question] { return question->Answer(); }};
}

}  // namespace weir
