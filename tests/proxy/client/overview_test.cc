// From the admin port's JSON to the lines that people read.

#include "proxy/client/overview.h"

#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proxy/client/overview_text.h"
#include "proxy/client/readings.h"
#include "proxy/client/top_model.h"
#include "proxy/client/top_screen.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A proxy with one forward, whose loops are given out of order.
std::string StatusJson(int uptime, double busy, double poll, int fast,
                       int accepted, int refused) {
  const auto number = [](auto value) { return std::to_string(value); };
  return R"({"version":"0.1.0","pid":42,"uptime_seconds":)" + number(uptime) +
         R"(,"phase":"ready","drain_timeout_seconds":25,
    "forwards":[{"name":"pg","spec":"x","listen":["127.0.0.1:5432","[::1]:5432"],
                 "target":"db1:5432"}],
    "metrics":{
     "weir_reactor_busy_seconds_total":{"type":"counter","series":[
       {"labels":{"reactor":"control"},"value":0},
       {"labels":{"reactor":"10"},"value":0},
       {"labels":{"reactor":"2"},"value":)" +
         number(busy) + R"(}]},
     "weir_reactor_poll_seconds_total":{"type":"counter","series":[
       {"labels":{"reactor":"2"},"value":)" +
         number(poll) + R"(}]},
     "weir_reactor_lag_seconds":{"type":"histogram","series":[
       {"labels":{"reactor":"2"},"count":9,"sum":0.1,"buckets":[[0.001,)" +
         number(fast) + R"(],[0.01,)" + number(fast) + R"(],["+Inf",)" +
         number(fast) + R"(]]}]},
     "weir_reactor_stalls_total":{"type":"counter","series":[
       {"labels":{"reactor":"2","kind":"relay"},"value":2},
       {"labels":{"reactor":"2","kind":"dns"},"value":1}]},
     "weir_connections_active":{"type":"gauge","series":[
       {"labels":{"forward":"pg","state":"relaying"},"value":3},
       {"labels":{"forward":"pg","state":"waiting"},"value":1}]},
     "weir_connections_accepted_total":{"type":"counter","series":[
       {"labels":{"forward":"pg"},"value":)" +
         number(accepted) + R"(}]},
     "weir_received_bytes_total":{"type":"counter","series":[
       {"labels":{"forward":"pg","side":"client"},"value":)" +
         number(uptime * 1024) + R"(},
       {"labels":{"forward":"pg","side":"upstream"},"value":2048}]},
     "weir_upstream_connects_total":{"type":"counter","series":[
       {"labels":{"forward":"pg","upstream":"db1:5432","result":"ok"},"value":9},
       {"labels":{"forward":"pg","upstream":"db1:5432","result":"refused"},
        "value":)" +
         number(refused) + R"(}]},
     "weir_upstream_up":{"type":"gauge","series":[
       {"labels":{"forward":"pg","upstream":"db1:5432"},"value":0}]}}})";
}

constexpr char kReactors[] = R"json({"time_seconds":100,
  "stall_threshold_seconds":0.01,"reactors":[
   {"reactor":"2","phase":"busy","age_seconds":0.2,
    "current":{"kind":"relay","forward":"pg","connection":17,"seconds":0.001,
               "cause":null,"stack":[]},
    "stalls":[{"number":3,"time_seconds":88,"seconds":0.312,"kind":"relay",
               "forward":"pg","connection":17,"cause":"cpu",
               "stack":["libc.so.6+0x8f","weir::Session::Relay()","main"]},
              {"number":2,"time_seconds":8,"seconds":1,"kind":"dns",
               "forward":null,"connection":null,"cause":"blocked",
               "stack":[]}]},
   {"reactor":"10","phase":"busy","age_seconds":0.2,
    "current":{"kind":"iteration","forward":null,"connection":null,
               "seconds":0.5,"cause":null,"stack":[]},"stalls":[]}]})json";

StatusReading Status(const std::string& json) {
  absl::StatusOr<StatusReading> status = ParseStatus(json);
  EXPECT_TRUE(status.ok()) << status.status();
  return *std::move(status);
}

Overview Sample() {
  return MakeOverview(Status(StatusJson(10, 1, 9, 10000, 7, 1)),
                      Status(StatusJson(12, 1.5, 10.5, 12000, 17, 2)),
                      *ParseReactors(kReactors));
}

TEST(Overview, IsOfTheWindow) {
  const Overview overview = Sample();
  EXPECT_EQ(overview.pid, 42);
  EXPECT_DOUBLE_EQ(overview.seconds, 2);
  EXPECT_DOUBLE_EQ(overview.active, 4);
  ASSERT_EQ(overview.loops.size(), 3u);
  EXPECT_EQ(overview.loops[0].name, "2");
  EXPECT_EQ(overview.loops[1].name, "10");
  EXPECT_EQ(overview.loops[2].name, "control");
  const LoopRow& loop = overview.loops[0];
  EXPECT_DOUBLE_EQ(loop.busy, 0.25);
  EXPECT_DOUBLE_EQ(*loop.lag_p50, 0.0005);
  EXPECT_DOUBLE_EQ(*loop.lag_worst, 0.001);
  EXPECT_DOUBLE_EQ(loop.stalls, 3);
  EXPECT_DOUBLE_EQ(loop.new_stalls, 0);
  EXPECT_FALSE(loop.now.has_value()) << "what is short is no stall";
  ASSERT_TRUE(loop.last.has_value());
  EXPECT_DOUBLE_EQ(loop.last->ago, 12);
  EXPECT_FALSE(overview.loops[2].lag_p50.has_value());
  ASSERT_EQ(overview.forwards.size(), 1u);
  const ForwardRow& forward = overview.forwards[0];
  EXPECT_EQ(forward.up, false);
  EXPECT_DOUBLE_EQ(forward.accepted, 17);
  EXPECT_DOUBLE_EQ(forward.accept_rate, 5);
  EXPECT_DOUBLE_EQ(forward.failed, 2);
  EXPECT_DOUBLE_EQ(forward.fail_rate, 0.5);
  EXPECT_DOUBLE_EQ(forward.up_rate, 1024);
  EXPECT_DOUBLE_EQ(forward.down_rate, 0);
}

TEST(Overview, OfANewProcessIsOfAllItsTime) {
  StatusReading before = Status(StatusJson(10, 1, 9, 10000, 7, 1));
  before.pid = 41;
  const Overview overview =
      MakeOverview(before, Status(StatusJson(12, 1.5, 10.5, 12000, 24, 2)), {});
  EXPECT_DOUBLE_EQ(overview.seconds, 12);
  EXPECT_DOUBLE_EQ(overview.forwards[0].accept_rate, 2);
}

TEST(Readings, BearWhatIsMissingOrWrong) {
  EXPECT_FALSE(ParseStatus("").ok());
  EXPECT_FALSE(ParseStatus("[]").ok());
  EXPECT_FALSE(ParseStatus("{").ok());
  EXPECT_FALSE(ParseReactors("nothing here").ok());
  EXPECT_FALSE(ParseConnections("<html>").ok());
  for (const char* odd :
       {"{}", R"({"pid":"x","forwards":7,"metrics":[]})",
        R"({"pid":-1,"forwards":[1,null],"metrics":{"a":1,"b":{"series":[{}]},
            "c":{"series":[{"labels":{"x":1},"buckets":[[1]]}]}}})"}) {
    const absl::StatusOr<StatusReading> status = ParseStatus(odd);
    ASSERT_TRUE(status.ok()) << odd;
    EXPECT_EQ(status->pid, 0);
    (void)MakeOverview(StatusReading(), *status, {});
  }
  EXPECT_TRUE(
      ParseReactors(R"({"reactors":[{"current":1,"stalls":{"a":1}}]})").ok());
  EXPECT_TRUE(ParseConnections(R"({"connections":[{"id":"x"},3]})").ok());
}

TEST(OverviewText, IsAlignedAndShort) {
  EXPECT_EQ(
      StatusText(Sample(), "127.0.0.1:9464"),
      "weir 0.1.0  pid 42  up 12.0s  ready  4 connections  127.0.0.1:9464\n"
      "\n"
      "loop     busy  lag p50    p99   worst  turns/s  connections  stalls  "
      "last stall\n"
      "2         25%    500us  990us  1.00ms        0            0       3  "
      "312ms cpu relay pg#17 in weir::Session::Relay(), 12.0s ago\n"
      "10         0%        -      -       -        0            0       0  "
      "NOW 500ms iteration\n"
      "control    0%        -      -       -        0            0       0  -\n"
      "\n"
      "forward  listen                     target    upstream  active  "
      "accepted  failed  bytes up  bytes down\n"
      "pg       127.0.0.1:5432 [::1]:5432  db1:5432  DOWN           4        "
      "17       2   12.0KiB     2.00KiB\n");
}

TEST(OverviewText, NamesTheAccessLog) {
  const absl::StatusOr<StatusReading> after = ParseStatus(
      R"({"pid":1,"access_log":{"file":"/var/log/a\u001b","up":false,
          "state":"failing: No space left","lines":1,"dropped":7}})");
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_THAT(StatusText(MakeOverview({}, *after, {}), "x"),
              HasSubstr("\naccess log /var/log/a\\x1b  failing: No space left  "
                        "1 line, 7 dropped\n"));
}

TEST(OverviewText, SaysWhatItDoesNotKnow) {
  EXPECT_EQ(LagText({}), "-");
  EXPECT_EQ(LagText(std::numeric_limits<double>::infinity()), ">10s");
  EXPECT_EQ(TimeText(-1), "0us");
  EXPECT_EQ(TimeText(std::numeric_limits<double>::quiet_NaN()), "0us");
  EXPECT_EQ(BytesText(-1), "0B");
  EXPECT_THAT(LoopLines(Overview(), false),
              ElementsAre(HasSubstr("--noloop_metrics")));
}

std::vector<std::string> TextsOf(const std::vector<ScreenLine>& lines) {
  std::vector<std::string> texts;
  for (const ScreenLine& line : lines) texts.push_back(line.text);
  return texts;
}

TopModel Connections(int count) {
  ConnectionsReading reading;
  reading.total = static_cast<uint64_t>(count);
  reading.silent = {"1"};
  for (int i = 1; i <= count; ++i) {
    ConnectionReading one;
    one.id = static_cast<uint64_t>(i);
    one.forward = "pg";
    reading.connections.push_back(one);
  }
  TopModel model;
  model.SetConnections(reading, 1);
  return model;
}

TEST(TopScreen, FillsTheScreenAndNoMore) {
  TopModel model = Connections(100);
  for (const size_t rows : {1u, 2u, 5u, 8u, 15u, 24u, 200u}) {
    for (const size_t columns : {1u, 20u, 80u, 300u}) {
      const std::vector<ScreenLine> screen =
          TopScreen(Sample(), model, "127.0.0.1:1", "message", {rows, columns});
      EXPECT_EQ(screen.size(), rows);
      for (const ScreenLine& line : screen) {
        EXPECT_LE(line.text.size(), columns);
      }
    }
  }
}

TEST(TopScreen, ShowsTheChosenRow) {
  TopModel model = Connections(100);
  model.OnKey({Key::Kind::kEnd});
  for (const size_t rows : {8u, 24u}) {
    const std::vector<ScreenLine> screen =
        TopScreen(Sample(), model, "x", "", {rows, 80});
    int chosen = 0;
    for (const ScreenLine& line : screen) {
      if (line.style != ScreenLine::Style::kSelected) continue;
      ++chosen;
      EXPECT_THAT(line.text, HasSubstr("pg#100"));
    }
    EXPECT_EQ(chosen, 1);
  }
  model.OnKey({Key::Kind::kText, 'k'});
  EXPECT_THAT(TextsOf(TopScreen(Sample(), model, "x", "", {24, 80})).back(),
              HasSubstr("kill pg#100?"));
}

TEST(TopScreen, AlarmsStandOut) {
  const std::vector<ScreenLine> screen =
      TopScreen(Sample(), Connections(1), "x", "", {30, 120});
  for (const ScreenLine& line : screen) {
    const bool alarm = line.style == ScreenLine::Style::kAlarm;
    if (line.text.find("NOW") != std::string::npos ||
        line.text.find("DOWN") != std::string::npos) {
      EXPECT_TRUE(alarm) << line.text;
    } else {
      EXPECT_TRUE(!alarm || line.text.empty()) << line.text;
    }
  }
}

TEST(TopScreen, ASnapshotHasAll) {
  const std::string text = TopSnapshot(Sample(), Connections(100), "x");
  EXPECT_THAT(text, HasSubstr("\npg#100 "));
  EXPECT_THAT(text, HasSubstr("100 of 100 connections, by bytes/s; did not "
                              "answer in time: loop 1\n"));
}

TEST(TopScreen, SaysWhatItDoesNotShow) {
  const absl::StatusOr<ConnectionsReading> reading = ParseConnections(
      R"({"total":9,"truncated":true,"connections":[{"id":1,"forward":"pg"}]})");
  ASSERT_TRUE(reading.ok()) << reading.status();
  TopModel model;
  model.SetConnections(*reading, 1);
  EXPECT_THAT(
      TopSnapshot(Sample(), model, "x"),
      HasSubstr("1 of 9 connections, by bytes/s; only the first 1 came\n"));
}

}  // namespace
}  // namespace weir
