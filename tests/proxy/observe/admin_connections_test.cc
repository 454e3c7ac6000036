// Questions to loops, whose answers the test gives itself: in time, late, or
// never.

#include "proxy/observe/admin_connections.h"

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
#include "tests/support/manual_clock.h"

namespace weir {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

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
               [this, i](std::optional<size_t> forward, size_t,
                         std::function<void(ConnectionRows)> done) {
                 asked_for_ = forward;
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
  json Body(size_t n) { return json::parse(answers_[n]->body); }

  void Answer(size_t worker, std::vector<uint64_t> ids) {
    ConnectionRows rows;
    rows.total = ids.size();
    rows.rows = [ids] {
      std::vector<ConnectionRow> made;
      for (const uint64_t id : ids) {
        ConnectionRow row;
        row.id = id;
        row.state = "relaying";
        row.path = "copy";
        row.client = "127.0.0.1:1";
        row.upstream = "a\"b\xff";
        row.age = milliseconds(3200);
        row.idle = milliseconds(100);
        row.bytes_up = 1;
        row.bytes_down = UINT64_MAX;
        made.push_back(row);
      }
      return made;
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
  std::vector<std::function<void()>> posted_;
  std::vector<std::optional<HttpResponse>> answers_;
  std::vector<HttpDeferral> deferrals_;
};

TEST_F(AdminConnectionsTest, MergesWhatTheLoopsAnswer) {
  ConnectionLister lister(&facts_, workers_, Post(), &clock_);
  const size_t n = Ask(&lister);
  EXPECT_EQ(asked_for_, std::nullopt);
  Answer(1, {2, 4});
  EXPECT_FALSE(answers_[n].has_value());
  Answer(0, {1, 3});
  ASSERT_TRUE(answers_[n].has_value());
  EXPECT_EQ(answers_[n]->content_type, "application/json");
  const json body = Body(n);
  EXPECT_EQ(body["total"], 4);
  EXPECT_EQ(body["truncated"], false);
  EXPECT_TRUE(body["silent"].empty());
  ASSERT_EQ(body["connections"].size(), 4u);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(body["connections"][i]["id"], i + 1);
  EXPECT_EQ(body["connections"][1],
            json::parse(
                R"({"id":2,"forward":"pg","reactor":"1","state":"relaying",
              "client":"127.0.0.1:1","upstream":"a\"b\ufffd","age_seconds":3.2,
              "idle_seconds":0.1,"bytes_up":1,"bytes_down":18446744073709551615,
              "buffered_up":0,"buffered_down":0,"path":"copy"})"));
}

TEST_F(AdminConnectionsTest, NamesTheLoopsThatDidNotAnswerInTime) {
  ConnectionLister lister(&facts_, workers_, Post(), &clock_);
  const size_t n = Ask(&lister);
  Answer(0, {1});
  TimeOut(n);
  const json body = Body(n);
  EXPECT_EQ(body["silent"], json({"1"}));
  EXPECT_EQ(body["total"], 1);
  Answer(1, {2});  // far too late: dropped
  EXPECT_EQ(Body(n), body);
}

TEST_F(AdminConnectionsTest, ALoopIsAskedOnceHoweverManyAsk) {
  ConnectionLister lister(&facts_, workers_, Post(), &clock_);
  for (int round = 0; round < 5; ++round) {
    const size_t first = Ask(&lister);
    const size_t second = Ask(&lister, "limit=0");
    EXPECT_EQ(lists_[0].size(), 1u);
    Answer(0, {1});
    // Loop 1 stalls all the time, and has one question in its mailbox.
    EXPECT_EQ(lists_[1].size(), 1u);
    TimeOut(first);
    RunPosted();
    ASSERT_TRUE(answers_[second].has_value());
    EXPECT_EQ(Body(first)["connections"].size(), 1u);
    EXPECT_EQ(Body(second)["connections"].size(), 0u);
    EXPECT_EQ(Body(second)["truncated"], true);
  }
  // When it comes back, its old answer serves the question of now.
  const size_t n = Ask(&lister);
  Answer(1, {2});
  Answer(0, {1});
  ASSERT_TRUE(answers_[n].has_value());
  EXPECT_TRUE(Body(n)["silent"].empty());
}

TEST_F(AdminConnectionsTest, WhoLeftBlocksNobody) {
  ConnectionLister lister(&facts_, workers_, Post(), &clock_);
  Ask(&lister);
  Answer(0, {1});
  // Its client left: nobody tells when its time is over.
  clock_.Advance(std::chrono::seconds(10));
  const size_t n = Ask(&lister);
  Answer(0, {1, 3});  // asked anew, for the first answer is old
  Answer(1, {2});
  ASSERT_TRUE(answers_[n].has_value());
  EXPECT_EQ(Body(n)["total"], 3);
}

TEST_F(AdminConnectionsTest, ForwardsAreAskedForApart) {
  ConnectionLister lister(&facts_, workers_, Post(), &clock_);
  const size_t web = Ask(&lister, "forward=web");
  EXPECT_EQ(asked_for_, 1u);
  Answer(0, {});
  const size_t pg = Ask(&lister, "forward=pg");
  EXPECT_EQ(asked_for_, 0u);
  Answer(0, {});
  Answer(1, {8});
  EXPECT_TRUE(answers_[web].has_value());
  EXPECT_FALSE(answers_[pg].has_value());
}

TEST_F(AdminConnectionsTest, SaysWhatIsWrong) {
  ConnectionLister lister(&facts_, workers_, Post(), &clock_);
  for (const char* const query : {"limit=-1", "limit=10001", "limit=x",
                                  "forward=nope", "sort=id", "limit=%"}) {
    const size_t n = Ask(&lister, query);
    RunPosted();
    ASSERT_TRUE(answers_[n].has_value()) << query;
    EXPECT_EQ(answers_[n]->status, 400) << query;
    EXPECT_EQ(answers_[n]->body.find('\n'), answers_[n]->body.size() - 1);
  }
  EXPECT_TRUE(lists_[0].empty());
}

TEST_F(AdminConnectionsTest, KillsWhereverTheConnectionIs) {
  ConnectionKiller killer(workers_, Post());
  const size_t n = Kill(&killer, "17");
  AnswerKill(0, false);
  EXPECT_FALSE(answers_[n].has_value());
  AnswerKill(1, true);
  ASSERT_TRUE(answers_[n].has_value());
  EXPECT_EQ(answers_[n]->status, 200);
  EXPECT_EQ(answers_[n]->body, "{\"id\":17,\"closed\":true}\n");
}

TEST_F(AdminConnectionsTest, AKillDoesNotWaitForOtherLoops) {
  ConnectionKiller killer(workers_, Post());
  const size_t n = Kill(&killer, "17");
  AnswerKill(0, true);
  ASSERT_TRUE(answers_[n].has_value());
  EXPECT_EQ(answers_[n]->status, 200);
  AnswerKill(1, false);
  EXPECT_EQ(answers_[n]->status, 200);
}

TEST_F(AdminConnectionsTest, KnowsNoSuchConnectionOnlyWhenAllSaidSo) {
  ConnectionKiller killer(workers_, Post());
  const size_t n = Kill(&killer, "17");
  AnswerKill(1, false);
  AnswerKill(0, false);
  ASSERT_TRUE(answers_[n].has_value());
  EXPECT_EQ(answers_[n]->status, 404);
  EXPECT_EQ(answers_[n]->body,
            "{\"id\":17,\"closed\":false,\"error\":\"no such connection\"}\n");
}

TEST_F(AdminConnectionsTest, AKillThatALoopDoesNotAnswer) {
  ConnectionKiller killer(workers_, Post());
  const size_t n = Kill(&killer, "17");
  AnswerKill(0, false);
  TimeOut(n);
  EXPECT_EQ(answers_[n]->status, 504);
  EXPECT_EQ(Body(n)["error"], "reactor 1 did not answer within 250 ms");
}

TEST_F(AdminConnectionsTest, WhatIsNoIdIsRefused) {
  ConnectionKiller killer(workers_, Post());
  for (const char* const id :
       {"x", "-1", "+1", " 1", "1.5", "99999999999999999999999", "1\n2"}) {
    const size_t n = Kill(&killer, id);
    RunPosted();
    ASSERT_TRUE(answers_[n].has_value()) << id;
    EXPECT_EQ(answers_[n]->status, 400) << id;
    EXPECT_EQ(answers_[n]->body.find('\n'), answers_[n]->body.size() - 1);
  }
  const size_t n = Kill(&killer, "17", "force=yes");
  RunPosted();
  EXPECT_EQ(answers_[n]->status, 400);
  EXPECT_TRUE(kills_[0].empty());
}

TEST_F(AdminConnectionsTest, KillsDoNotPileUpOnALoopThatStalls) {
  ConnectionKiller killer(workers_, Post());
  for (int i = 0; i < 2000; ++i) Kill(&killer, "17");
  RunPosted();
  EXPECT_EQ(kills_[0].size(), ConnectionKiller::kMostUnanswered / 2);
  EXPECT_EQ(answers_.back()->status, 503);
  AnswerKill(0, false);
  AnswerKill(1, false);
  const size_t n = Kill(&killer, "18");
  RunPosted();
  EXPECT_FALSE(answers_[n].has_value());
}

}  // namespace
}  // namespace weir
