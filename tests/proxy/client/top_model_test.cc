// Keys and readings in, what is shown out.

#include "proxy/client/top_model.h"

#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "proxy/client/key_reader.h"
#include "proxy/client/readings.h"

namespace weir {
namespace {

using Action = TopModel::Action::Kind;
using Mode = TopModel::Mode;
using Ids = std::vector<uint64_t>;

ConnectionReading Connection(uint64_t id, const std::string& forward,
                             uint64_t bytes, double age) {
  ConnectionReading reading;
  reading.id = id;
  reading.forward = forward;
  reading.reactor = "0";
  reading.client = "127.0.0.1:" + std::to_string(50000 + id);
  reading.bytes_up = bytes;
  reading.bytes_down = bytes;
  reading.age = age;
  reading.idle = static_cast<double>(id);
  return reading;
}

class TopModelTest : public testing::Test {
 protected:
  // Two readings, two seconds apart.
  void SetUp() override {
    ConnectionsReading reading;
    reading.total = 3;
    reading.connections = {Connection(1, "web", 1000, 30),
                           Connection(2, "pg", 5000, 20),
                           Connection(3, "pg", 100, 10)};
    model_.SetConnections(reading, 100);
    for (ConnectionReading& one : reading.connections) one.age += 2;
    reading.connections[0].bytes_up += 20;
    reading.connections[2].bytes_up += 200;
    model_.SetConnections(reading, 102);
    last_ = reading;
  }

  TopModel::Action Press(char text) {
    return model_.OnKey({Key::Kind::kText, text});
  }
  TopModel::Action Press(Key::Kind kind) { return model_.OnKey({kind}); }

  Ids Shown() const {
    Ids ids;
    for (const TopRow& row : model_.rows()) {
      ids.push_back(row.reading.id);
    }
    return ids;
  }
  uint64_t Chosen() const {
    return model_.selected() ? Shown()[*model_.selected()] : 0;
  }

  TopModel model_;
  ConnectionsReading last_;
};

TEST_F(TopModelTest, SortsByTheRateOfTheWindow) {
  EXPECT_EQ(Shown(), (Ids{3, 1, 2}));
  EXPECT_DOUBLE_EQ(model_.rows()[0].rate.value(), 100);
  EXPECT_DOUBLE_EQ(model_.rows()[1].rate.value(), 10);
  EXPECT_DOUBLE_EQ(model_.rows()[2].rate.value(), 0);
}

TEST_F(TopModelTest, ANewConnectionHasMovedAllItHas) {
  last_.connections.push_back(Connection(4, "web", 500, 0.5));
  model_.SetConnections(last_, 104);
  EXPECT_EQ(Shown()[0], 4u);
  EXPECT_DOUBLE_EQ(model_.rows()[0].rate.value(), 2000);
}

// The loop of #2 did not answer in time: what it moved since when is not known.
TEST_F(TopModelTest, OneThatIsBackIsNotNew) {
  const ConnectionReading quiet = last_.connections[1];
  last_.connections.erase(last_.connections.begin() + 1);
  model_.SetConnections(last_, 104);
  EXPECT_EQ(Shown().size(), 2u);
  last_.connections.push_back(quiet);
  last_.connections[2].age += 4;
  model_.SetConnections(last_, 106);
  ASSERT_EQ(Shown()[1], 2u);
  EXPECT_FALSE(model_.rows()[1].rate.has_value());
}

// Its loop answered late: as long as that took, the rate counts.
TEST_F(TopModelTest, AConnectionsOwnAgeIsItsTime) {
  last_.connections[1].bytes_up += 500;
  last_.connections[1].age += 2.5;
  model_.SetConnections(last_, 104);
  ASSERT_EQ(Shown()[0], 2u);
  EXPECT_DOUBLE_EQ(model_.rows()[0].rate.value(), 200);
}

TEST_F(TopModelTest, AProxyThatWasStartedAnewBeginsAgain) {
  model_.SetConnections(last_, 50);
  for (const TopRow& row : model_.rows()) {
    EXPECT_FALSE(row.rate.has_value()) << row.reading.id;
  }
}

TEST_F(TopModelTest, SaysThatNotAllCame) {
  EXPECT_FALSE(model_.only_first().has_value());
  last_.truncated = true;
  model_.SetConnections(last_, 104);
  EXPECT_EQ(model_.only_first(), 3u);
}

TEST_F(TopModelTest, SChangesTheOrder) {
  const std::vector<Ids> orders = {{2, 1, 3},   // bytes
                                   {1, 2, 3},   // age
                                   {3, 2, 1},   // idle
                                   {2, 3, 1},   // forward
                                   {1, 2, 3},   // id
                                   {3, 1, 2}};  // bytes/s again
  for (const Ids& order : orders) {
    Press('s');
    EXPECT_EQ(Shown(), order)
        << TopModel::kSortNames[static_cast<size_t>(model_.sort())];
  }
}

TEST_F(TopModelTest, TheChoiceStaysWithItsConnection) {
  EXPECT_EQ(Chosen(), 0u);
  Press(Key::Kind::kDown);
  EXPECT_EQ(Chosen(), 3u);
  Press(Key::Kind::kDown);
  EXPECT_EQ(Chosen(), 1u);
  Press('s');
  EXPECT_EQ(Chosen(), 1u);
  EXPECT_EQ(*model_.selected(), 1u);
  Press(Key::Kind::kEnd);
  EXPECT_EQ(Chosen(), 3u);
  Press(Key::Kind::kDown);
  EXPECT_EQ(Chosen(), 3u) << "there is an end";
  Press(Key::Kind::kPageUp);
  EXPECT_EQ(Chosen(), 2u);
  Press(Key::Kind::kEscape);
  EXPECT_EQ(Chosen(), 0u);
  // What is gone is not chosen any more.
  Press(Key::Kind::kHome);
  last_.connections.erase(last_.connections.begin() + 1);
  model_.SetConnections(last_, 104);
  EXPECT_EQ(Chosen(), 0u);
}

TEST_F(TopModelTest, FiltersWhileOneTypes) {
  Press('f');
  EXPECT_EQ(model_.mode(), Mode::kFilter);
  EXPECT_EQ(Press('p').kind, Action::kNone);
  Press('g');
  EXPECT_EQ(Shown(), (Ids{3, 2}));
  // Keys of the list are text here.
  EXPECT_EQ(Press('q').kind, Action::kNone);
  EXPECT_EQ(Shown(), (Ids{}));
  Press(Key::Kind::kBackspace);
  Press(Key::Kind::kEnter);
  EXPECT_EQ(model_.mode(), Mode::kList);
  EXPECT_EQ(model_.filter(), "pg");
  EXPECT_EQ(Shown(), (Ids{3, 2}));
  // Escape brings back what was.
  Press('/');
  Press('#');
  Press(Key::Kind::kEscape);
  EXPECT_EQ(model_.filter(), "pg");
  EXPECT_EQ(model_.total(), 3u);
}

TEST_F(TopModelTest, FiltersByAnyName) {
  for (const char c : std::string("f:50002")) Press(c);
  EXPECT_EQ(Shown(), (Ids{2}));
}

TEST_F(TopModelTest, AsksBeforeItKills) {
  EXPECT_EQ(Press('k').kind, Action::kNone);
  EXPECT_EQ(model_.mode(), Mode::kList) << "nothing is chosen";
  Press(Key::Kind::kDown);
  Press('k');
  EXPECT_EQ(model_.mode(), Mode::kAsk);
  EXPECT_EQ(model_.asked(), "pg#3");
  EXPECT_EQ(Press('n').kind, Action::kNone);
  EXPECT_EQ(model_.mode(), Mode::kList);
  Press('k');
  // Rows that move, or go, meanwhile change nothing about whom.
  last_.connections.clear();
  model_.SetConnections(last_, 104);
  const TopModel::Action action = Press('y');
  EXPECT_EQ(action.kind, Action::kKill);
  EXPECT_EQ(action.connection, 3u);
  EXPECT_EQ(model_.mode(), Mode::kList);
}

TEST_F(TopModelTest, EndsFromEverywhere) {
  EXPECT_EQ(Press('q').kind, Action::kQuit);
  EXPECT_EQ(Press(Key::Kind::kInterrupt).kind, Action::kQuit);
  EXPECT_EQ(Press(Key::Kind::kSuspend).kind, Action::kSuspend);
  Press('f');
  EXPECT_EQ(Press(Key::Kind::kInterrupt).kind, Action::kQuit);
}

TEST(TopModel, BearsEmptiness) {
  TopModel model;
  for (const Key::Kind kind :
       {Key::Kind::kUp, Key::Kind::kDown, Key::Kind::kPageUp, Key::Kind::kEnd,
        Key::Kind::kHome, Key::Kind::kEnter, Key::Kind::kEscape}) {
    EXPECT_EQ(model.OnKey({kind}).kind, Action::kNone);
  }
  EXPECT_FALSE(model.selected().has_value());
  model.SetConnections({}, 1);
  EXPECT_TRUE(model.rows().empty());
}

}  // namespace
}  // namespace weir
