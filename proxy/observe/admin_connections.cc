#include "proxy/observe/admin_connections.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "metrics/http_query.h"
#include "metrics/registry_json.h"
#include "proxy/observe/admin_status.h"
#include "proxy/observe/responses.h"

namespace weir {
namespace {

std::string Quoted(std::string_view text) {
  return DumpJson(std::string(text));
}

double Seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// Written by hand: a tree of ten thousand of them would hold the thread, and
// every scrape, for longer.
void Append(const ConnectionRow& row, const std::string& reactor,
            const std::string& forward, std::string* out) {
  absl::StrAppend(out, "{\"id\":", row.id, ",\"forward\":", forward,
                  ",\"reactor\":", reactor, ",\"state\":\"",
                  std::string(row.state), "\",\"client\":", Quoted(row.client),
                  ",\"upstream\":", Quoted(row.upstream));
  absl::StrAppendFormat(out, ",\"age_seconds\":%.3f,\"idle_seconds\":%.3f",
                        Seconds(row.age), Seconds(row.idle));
  absl::StrAppend(out, ",\"bytes_up\":", row.bytes_up,
                  ",\"bytes_down\":", row.bytes_down,
                  ",\"buffered_up\":", row.buffered_up,
                  ",\"buffered_down\":", row.buffered_down, ",\"path\":\"",
                  std::string(row.path), "\"}");
}

HttpDeferral Refuse(const HttpReply& reply, const std::string& why,
                    int status = kHttpBadRequest) {
  reply.Send(TextResponse(status, why));
  return {kAnswerLimit, nullptr};
}

}  // namespace

std::string LoopNames(const std::vector<std::string>& names) {
  return absl::StrCat(names.size() == 1 ? "reactor " : "reactors ",
                      absl::StrJoin(names, ", "));
}

// What one loop was asked in a round.
struct ConnectionLister::Part {
  bool asked = false;     // and has not answered, in whichever round
  bool answered = false;  // in this round
  size_t limit = 0;       // of the answer
  ConnectionRows answer;
};

struct ConnectionLister::Waiter {
  HttpReply reply;
  size_t limit;
};

// One question and, when it is closed, its answer.
struct ConnectionLister::Merged {
  struct Row {
    uint64_t id;
    size_t worker;
    size_t index;  // in that worker's answer
  };
  bool open = true;
  std::vector<ConnectionRows> answers;  // of each worker
  std::vector<Row> rows;                // the oldest, oldest first
  size_t total = 0;
  std::vector<std::string> silent;

  // The texts of the first rows, and where each of them ends: whatever the
  // limits of those who wait, no row is formatted twice.
  std::string text;
  std::vector<size_t> ends;
};

struct ConnectionLister::Round {
  std::optional<size_t> forward;
  MonoTime began;
  size_t limit = 0;         // the largest of the waiters'
  std::vector<Part> parts;  // of each worker
  std::vector<Waiter> waiters;
  std::shared_ptr<Merged> merged;  // null: nobody asks
};

ConnectionLister::ConnectionLister(const ProcessFacts* facts,
                                   std::vector<WorkerSource> workers,
                                   HttpServer::Poster post, Clock* clock)
    : facts_(facts),
      workers_(std::move(workers)),
      post_(std::move(post)),
      clock_(clock),
      rounds_(facts->forwards.size() + 1) {
  for (size_t i = 0; i < rounds_.size(); ++i) {
    if (i < facts->forwards.size()) rounds_[i].forward = i;
    rounds_[i].parts.resize(workers_.size());
  }
  for (const WorkerSource& worker : workers_) {
    reactor_names_.push_back(Quoted(worker.name));
  }
  for (const ForwardFacts& forward : facts->forwards) {
    forward_names_.push_back(Quoted(forward.name));
  }
}

ConnectionLister::~ConnectionLister() = default;

HttpDeferral ConnectionLister::Get(const HttpRequest& request,
                                   HttpReply reply) {
  const absl::StatusOr<HttpQuery> query =
      HttpQuery::Parse(request.query, {"forward", "limit"});
  if (!query.ok()) return Refuse(reply, std::string(query.status().message()));
  const absl::StatusOr<int64_t> number =
      query->Number("limit", 0, kMostRows, kMostRows);
  if (!number.ok()) {
    return Refuse(reply, std::string(number.status().message()));
  }
  size_t index = facts_->forwards.size();  // all
  if (const std::optional<std::string> name = query->Get("forward")) {
    const auto found = std::find_if(
        facts_->forwards.begin(), facts_->forwards.end(),
        [&name](const ForwardFacts& f) { return f.name == *name; });
    if (found == facts_->forwards.end()) {
      return Refuse(
          reply, absl::StrCat("no forward is called ", QuoteParameter(*name)));
    }
    index = static_cast<size_t>(found - facts_->forwards.begin());
  }

  Round* const round = &rounds_[index];
  const size_t limit = static_cast<size_t>(*number);
  // One whose clients have all left ends here.
  if (round->merged && clock_->Now() - round->began >= kAnswerLimit) {
    Finish(round);
  }
  if (round->waiters.size() == kMostWaiters) {
    return Refuse(reply, "too many ask for the connections; try again",
                  kHttpUnavailable);
  }
  round->waiters.push_back({std::move(reply), limit});
  round->limit = std::max(round->limit, limit);
  round->merged ? AskForMore(round) : Begin(round);
  return {kAnswerLimit, [this, round, merged = round->merged, limit] {
            if (merged->open) Finish(round);
            return ResponseFor(merged.get(), limit);
          }};
}

void ConnectionLister::Begin(Round* round) {
  round->merged = std::make_shared<Merged>();
  round->began = clock_->Now();
  for (size_t i = 0; i < workers_.size(); ++i) {
    round->parts[i].answered = false;
    AskWorker(round, i);
  }
}

void ConnectionLister::AskWorker(Round* round, size_t worker) {
  if (std::exchange(round->parts[worker].asked, true)) return;
  const size_t limit = round->limit;
  workers_[worker].list(
      round->forward, limit,
      [this, round, worker, limit, post = post_](ConnectionRows answer) {
        post([this, round, worker, limit, answer = std::move(answer)] {
          OnAnswer(round, worker, limit, answer);
        });
      });
}

void ConnectionLister::AskForMore(Round* round) {
  for (size_t i = 0; i < workers_.size(); ++i) {
    Part& part = round->parts[i];
    if (!part.answered || part.limit >= round->limit ||
        part.answer.listed == part.answer.total) {
      continue;
    }
    part.answered = false;
    AskWorker(round, i);
  }
}

void ConnectionLister::OnAnswer(Round* round, size_t worker, size_t limit,
                                ConnectionRows answer) {
  Part& part = round->parts[worker];
  part.asked = false;
  if (!round->merged) return;  // too late
  part.answered = true;
  part.limit = limit;
  part.answer = std::move(answer);
  AskForMore(round);  // it was asked before somebody wanted more
  if (std::all_of(round->parts.begin(), round->parts.end(),
                  [](const Part& p) { return p.answered; })) {
    Finish(round);
  }
}

void ConnectionLister::Finish(Round* round) {
  const std::shared_ptr<Merged> merged = std::exchange(round->merged, nullptr);
  const size_t limit = std::exchange(round->limit, 0);
  merged->open = false;
  merged->answers.resize(workers_.size());
  for (size_t i = 0; i < workers_.size(); ++i) {
    Part& part = round->parts[i];
    if (!part.answered) {
      merged->silent.push_back(workers_[i].name);
      continue;
    }
    merged->total += part.answer.total;
    for (size_t j = 0; j < part.answer.listed; ++j) {
      merged->rows.push_back({part.answer.id(j), i, j});
    }
    merged->answers[i] = std::exchange(part.answer, {});
  }
  const size_t shown = std::min(limit, merged->rows.size());
  std::partial_sort(
      merged->rows.begin(),
      merged->rows.begin() + static_cast<std::ptrdiff_t>(shown),
      merged->rows.end(),
      [](const Merged::Row& a, const Merged::Row& b) { return a.id < b.id; });
  merged->rows.resize(shown);
  for (const Waiter& waiter : std::exchange(round->waiters, {})) {
    waiter.reply.Send([this, merged, most = waiter.limit] {
      return ResponseFor(merged.get(), most);
    });
  }
}

HttpResponse ConnectionLister::ResponseFor(Merged* merged, size_t limit) const {
  const size_t listed = std::min(limit, merged->rows.size());
  while (merged->ends.size() < listed) {
    const auto& [id, worker, index] = merged->rows[merged->ends.size()];
    const ConnectionRow row = merged->answers[worker].row(index);
    if (!merged->text.empty()) merged->text += ',';
    Append(row, reactor_names_[worker], forward_names_[row.forward],
           &merged->text);
    merged->ends.push_back(merged->text.size());
  }
  const std::string_view rows =
      std::string_view(merged->text)
          .substr(0, listed == 0 ? 0 : merged->ends[listed - 1]);
  HttpResponse response;
  response.content_type = kJsonType;
  response.body = absl::StrCat(
      "{\"time_seconds\":", DumpJson(JsonWallTime(clock_)),
      ",\"total\":", merged->total,
      ",\"truncated\":", listed < merged->total ? "true" : "false",
      ",\"silent\":", DumpJson(merged->silent), ",\"connections\":[",
      absl::string_view(rows.data(), rows.size()), "]}\n");
  return response;
}

}  // namespace weir
