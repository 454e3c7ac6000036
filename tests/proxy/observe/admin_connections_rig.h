// Questions to loops, whose answers the test gives itself: in time, late, or
// never.

#ifndef TESTS_PROXY_OBSERVE_ADMIN_CONNECTIONS_RIG_H_
#define TESTS_PROXY_OBSERVE_ADMIN_CONNECTIONS_RIG_H_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "proxy/observe/admin_connections.h"
#include "tests/support/manual_clock.h"

namespace weir {

class AdminConnectionsTest : public testing::Test {
 protected:
  using Lists = std::vector<std::function<void(ConnectionRows)>>;
  using Kills = std::vector<std::function<void(bool)>>;

  AdminConnectionsTest() : lists_(2), kills_(2) {
    facts_.forwards = {{.name = "pg"}, {.name = "web"}};
    for (size_t i = 0; i < 2; ++i) {
      workers_.push_back(
          {.name = std::to_string(i),
           .list =
               [this, i](std::optional<size_t> forward, size_t limit,
                         std::function<void(ConnectionRows)> done) {
                 asked_for_ = forward;
                 limit_ = limit;
                 lists_[i].push_back(std::move(done));
               },
           .kill =
               [this, i](uint64_t, std::function<void(bool)> done) {
                 kills_[i].push_back(std::move(done));
               }});
    }
  }

  // The server's thread is the test's: what is posted runs in RunPosted().
  HttpServer::Poster Post() {
    return [this](std::function<void()> task) {
      posted_.push_back(std::move(task));
    };
  }
  void RunPosted() {
    while (!posted_.empty()) {
      for (const auto& task : std::exchange(posted_, {})) task();
    }
  }

  // A request whose answer comes to answers_[the result].
  size_t Ask(ConnectionLister* lister, const std::string& query = "") {
    const size_t n = NewAnswer();
    HttpRequest request;
    request.query = query;
    deferrals_.push_back(lister->Get(request, ReplyTo(n)));
    return n;
  }
  size_t Kill(ConnectionKiller* killer, const std::string& id,
              const std::string& query = "") {
    const size_t n = NewAnswer();
    HttpRequest request;
    request.segment = id;
    request.query = query;
    deferrals_.push_back(killer->Post(request, ReplyTo(n)));
    return n;
  }
  size_t NewAnswer() {
    answers_.emplace_back();
    return answers_.size() - 1;
  }
  HttpReply ReplyTo(size_t n) {
    return HttpReply([this, n](HttpReply::Maker make) {
      posted_.push_back([this, n, made = std::move(make)] {
        if (!answers_[n].has_value()) answers_[n] = made();
      });
    });
  }
  // What the server does when the time of a request is over.
  void TimeOut(size_t n) {
    clock_.Advance(kAnswerLimit);
    if (!answers_[n].has_value()) answers_[n] = deferrals_[n].late();
  }
  nlohmann::json Body(size_t n) {
    return nlohmann::json::parse(answers_[n]->body);
  }

  // `total`: with those that did not fit, 0 when all did.
  void Answer(size_t worker, std::vector<uint64_t> ids, size_t total = 0) {
    ConnectionRows rows;
    rows.total = std::max(total, ids.size());
    rows.listed = ids.size();
    rows.id = [ids](size_t n) { return ids[n]; };
    rows.row = [this, ids](size_t n) {
      ++formatted_;
      ConnectionRow row;
      row.id = ids[n];
      row.state = "relaying";
      row.path = "copy";
      row.client = "127.0.0.1:1";
      row.upstream = "a\"b\xff";
      row.age = std::chrono::milliseconds(3200);
      row.idle = std::chrono::milliseconds(100);
      row.bytes_up = 1;
      row.bytes_down = UINT64_MAX;
      return row;
    };
    const auto done = std::move(lists_[worker].front());
    lists_[worker].erase(lists_[worker].begin());
    done(std::move(rows));
    RunPosted();
  }
  void AnswerKill(size_t worker, bool had_it) {
    const auto done = std::move(kills_[worker].front());
    kills_[worker].erase(kills_[worker].begin());
    done(had_it);
    RunPosted();
  }

  ManualClock clock_;
  ProcessFacts facts_;
  std::vector<WorkerSource> workers_;
  std::vector<Lists> lists_;
  std::vector<Kills> kills_;
  std::optional<size_t> asked_for_;
  size_t limit_ = 0;  // of the last question
  int formatted_ = 0;
  std::vector<std::function<void()>> posted_;
  std::vector<std::optional<HttpResponse>> answers_;
  std::vector<HttpDeferral> deferrals_;
};

}  // namespace weir

#endif  // TESTS_PROXY_OBSERVE_ADMIN_CONNECTIONS_RIG_H_
