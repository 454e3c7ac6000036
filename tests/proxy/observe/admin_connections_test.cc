// Lists of connections.

#include "proxy/observe/admin_connections.h"

#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/proxy/observe/admin_connections_rig.h"

namespace weir {
namespace {

using nlohmann::json;

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

TEST_F(AdminConnectionsTest, FormatsEachRowOnceAndOnlyThoseThatAreListed) {
  ConnectionLister lister(&facts_, workers_, Post(), &clock_);
  const size_t one = Ask(&lister, "limit=1");
  const size_t three = Ask(&lister, "limit=3");
  const size_t again = Ask(&lister, "limit=3");
  Answer(0, {5, 1, 7});
  // It was asked for one row before somebody wanted three.
  Answer(1, {6}, 3);
  EXPECT_EQ(limit_, 3u);
  Answer(1, {6, 2, 8});
  ASSERT_TRUE(answers_[three].has_value());
  EXPECT_EQ(formatted_, 3);
  EXPECT_EQ(Body(three)["connections"], Body(again)["connections"]);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(Body(three)["connections"][i]["id"], (std::vector{1, 2, 5})[i]);
  }
  EXPECT_EQ(Body(three)["total"], 6);
  EXPECT_EQ(Body(three)["truncated"], true);
  EXPECT_EQ(Body(one)["connections"].size(), 1u);
}

TEST_F(AdminConnectionsTest, ALoopIsAskedForWhatIsWantedAlone) {
  ConnectionLister lister(&facts_, workers_, Post(), &clock_);
  Ask(&lister, "limit=10");
  EXPECT_EQ(limit_, 10u);
  Answer(0, {1});
  Answer(1, {2});
  const size_t first = Ask(&lister, "limit=1");
  EXPECT_EQ(limit_, 1u);
  Answer(0, {1}, 9);
  // That is too short for the next one.
  const size_t second = Ask(&lister, "limit=2");
  EXPECT_EQ(limit_, 2u);
  EXPECT_EQ(lists_[0].size(), 1u);
  Answer(1, {2}, 9);
  Answer(1, {2, 4}, 9);
  Answer(0, {1, 3}, 9);
  ASSERT_TRUE(answers_[first].has_value());
  ASSERT_TRUE(answers_[second].has_value());
  EXPECT_EQ(Body(second)["connections"].size(), 2u);
}

// A reply that waits for the server's thread, while its time runs out, ends no
// question but its own.
TEST_F(AdminConnectionsTest, ALateReplyLeavesTheNextQuestionAlone) {
  ConnectionLister lister(&facts_, workers_, Post(), &clock_);
  const size_t first = Ask(&lister);
  lists_[0].front()({.total = 0, .listed = 0, .id = {}, .row = {}});
  lists_[1].front()({.total = 0, .listed = 0, .id = {}, .row = {}});
  lists_[0].clear();
  lists_[1].clear();
  for (const auto& task : std::exchange(posted_, {})) task();
  ASSERT_FALSE(answers_[first].has_value());  // posted
  const size_t second = Ask(&lister);
  TimeOut(first);
  EXPECT_TRUE(Body(first)["silent"].empty());
  Answer(0, {1});
  Answer(1, {2});
  ASSERT_TRUE(answers_[second].has_value());
  EXPECT_TRUE(Body(second)["silent"].empty());
  EXPECT_EQ(Body(second)["total"], 2);
}

TEST_F(AdminConnectionsTest, SoManyShareAnAnswer) {
  ConnectionLister lister(&facts_, workers_, Post(), &clock_);
  std::vector<size_t> asked;
  for (size_t i = 0; i <= ConnectionLister::kMostWaiters; ++i) {
    asked.push_back(Ask(&lister));
  }
  RunPosted();
  ASSERT_TRUE(answers_[asked.back()].has_value());
  EXPECT_EQ(answers_[asked.back()]->status, 503);
  EXPECT_FALSE(answers_[asked.front()].has_value());
  Answer(0, {1});
  Answer(1, {2});
  EXPECT_EQ(Body(asked.front())["total"], 2);
  EXPECT_EQ(formatted_, 2);
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

}  // namespace
}  // namespace weir
