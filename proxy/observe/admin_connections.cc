#include "proxy/observe/admin_connections.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
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

HttpDeferral Refuse(const HttpReply& reply, const std::string& why) {
  reply.Send(TextResponse(kHttpBadRequest, why));
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
  size_t total = 0;
  std::vector<ConnectionRow> rows;
};

struct ConnectionLister::Waiter {
  HttpReply reply;
  size_t limit;
};

struct ConnectionLister::Round {
  std::optional<size_t> forward;
  bool open = false;
  MonoTime began;
  std::vector<Part> parts;  // of each worker
  std::vector<Waiter> waiters;
  // The answer of the last round, while its replies are on their way.
  std::shared_ptr<const Merged> merged;
};

struct ConnectionLister::Merged {
  struct Row {
    ConnectionRow row;
    size_t worker;
  };
  std::vector<Row> rows;  // oldest first
  size_t total = 0;
  std::vector<std::string> silent;
};

ConnectionLister::ConnectionLister(const ProcessFacts* facts,
                                   std::vector<WorkerSource> workers,
                                   HttpServer::Poster post, Clock* clock)
    : facts_(facts),
      workers_(std::move(workers)),
      post_(std::move(post)),
      clock_(clock) {
  for (size_t i = 0; i <= facts->forwards.size(); ++i) {
    Round& round = rounds_.emplace_back();
    if (i < facts->forwards.size()) round.forward = i;
    round.parts.resize(workers_.size());
  }
}

ConnectionLister::~ConnectionLister() = default;

HttpDeferral ConnectionLister::Get(const HttpRequest& request,
                                   HttpReply reply) {
  const absl::StatusOr<HttpQuery> query =
      HttpQuery::Parse(request.query, {"forward", "limit"});
  if (!query.ok()) return Refuse(reply, std::string(query.status().message()));
  const absl::StatusOr<int64_t> limit =
      query->Number("limit", 0, kMostRows, kMostRows);
  if (!limit.ok()) return Refuse(reply, std::string(limit.status().message()));
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

  Round& round = rounds_[index];
  // One whose clients have all left ends here.
  if (round.open && clock_->Now() - round.began >= kAnswerLimit) Finish(&round);
  round.waiters.push_back({std::move(reply), static_cast<size_t>(*limit)});
  if (!round.open) Begin(index);
  return {kAnswerLimit, [this, &round, most = static_cast<size_t>(*limit)] {
            if (round.open) Finish(&round);
            return ResponseFor(*round.merged, most);
          }};
}

void ConnectionLister::Begin(size_t index) {
  Round& round = rounds_[index];
  round.open = true;
  round.began = clock_->Now();
  for (size_t i = 0; i < workers_.size(); ++i) {
    Part& part = round.parts[i];
    part.answered = false;
    part.rows.clear();
    if (std::exchange(part.asked, true)) continue;
    workers_[i].list(round.forward, kMostRows,
                     [this, index, i, post = post_](ConnectionRows answer) {
                       post([this, index, i, answer = std::move(answer)] {
                         OnAnswer(index, i, answer);
                       });
                     });
  }
}

void ConnectionLister::OnAnswer(size_t index, size_t worker,
                                ConnectionRows answer) {
  Round& round = rounds_[index];
  Part& part = round.parts[worker];
  part.asked = false;
  if (!round.open) return;  // too late
  part.answered = true;
  part.total = answer.total;
  part.rows = answer.rows();
  if (std::all_of(round.parts.begin(), round.parts.end(),
                  [](const Part& p) { return p.answered; })) {
    Finish(&round);
  }
}

void ConnectionLister::Finish(Round* round) {
  auto merged = std::make_shared<Merged>();
  for (size_t i = 0; i < workers_.size(); ++i) {
    Part& part = round->parts[i];
    if (!part.answered) {
      merged->silent.push_back(workers_[i].name);
      continue;
    }
    merged->total += part.total;
    for (ConnectionRow& row : part.rows) {
      merged->rows.push_back({std::move(row), i});
    }
    part.rows = {};
  }
  std::sort(merged->rows.begin(), merged->rows.end(),
            [](const Merged::Row& a, const Merged::Row& b) {
              return a.row.id < b.row.id;
            });
  round->open = false;
  round->merged = merged;
  for (const Waiter& waiter : std::exchange(round->waiters, {})) {
    waiter.reply.Send([this, merged, limit = waiter.limit] {
      return ResponseFor(*merged, limit);
    });
  }
  // Behind the replies: until then the time of one of them may run out.
  post_([round, merged] {
    if (round->merged == merged) round->merged.reset();
  });
}

HttpResponse ConnectionLister::ResponseFor(const Merged& merged,
                                           size_t limit) const {
  std::vector<std::string> reactors, forwards;  // as JSON
  for (const WorkerSource& worker : workers_) {
    reactors.push_back(Quoted(worker.name));
  }
  for (const ForwardFacts& forward : facts_->forwards) {
    forwards.push_back(Quoted(forward.name));
  }
  const size_t listed = std::min(limit, merged.rows.size());
  std::string body = absl::StrCat(
      "{\"time_seconds\":", DumpJson(JsonWallTime(clock_)),
      ",\"total\":", merged.total,
      ",\"truncated\":", listed < merged.total ? "true" : "false",
      ",\"silent\":", DumpJson(merged.silent), ",\"connections\":[");
  for (size_t i = 0; i < listed; ++i) {
    const auto& [row, worker] = merged.rows[i];
    if (i > 0) body += ',';
    Append(row, reactors[worker], forwards[row.forward], &body);
  }
  HttpResponse response = TextResponse(kHttpOk, body + "]}");
  response.content_type = kJsonType;
  return response;
}

}  // namespace weir
