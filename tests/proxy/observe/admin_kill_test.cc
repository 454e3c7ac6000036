// The end of a connection, asked for.

#include <cstddef>
#include <utility>

#include "gtest/gtest.h"
#include "proxy/observe/admin_connections.h"
#include "tests/proxy/observe/admin_connections_rig.h"

namespace weir {
namespace {

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
  EXPECT_EQ(Body(n)["error"],
            "reactor 1 did not answer within 250 ms; the connection may be "
            "closed later");
}

// The loops have answered, and the reply is still on its way.
TEST_F(AdminConnectionsTest, AKillThatIsDoneWhenItsTimeIsOver) {
  ConnectionKiller killer(workers_, Post());
  for (const bool had_it : {true, false}) {
    const size_t n = Kill(&killer, "17");
    for (Kills& kills : kills_) {
      kills.front()(had_it);
      kills.clear();
    }
    for (const auto& task : std::exchange(posted_, {})) task();
    TimeOut(n);
    EXPECT_EQ(answers_[n]->status, had_it ? 200 : 404);
    RunPosted();
  }
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
  EXPECT_EQ(kills_[0].size(), ConnectionKiller::kMostUnanswered);
  EXPECT_EQ(answers_.back()->status, 503);
  AnswerKill(0, false);
  AnswerKill(1, false);
  const size_t n = Kill(&killer, "18");
  RunPosted();
  EXPECT_FALSE(answers_[n].has_value());
}

}  // namespace
}  // namespace weir
