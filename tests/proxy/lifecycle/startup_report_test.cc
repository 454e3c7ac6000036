#include "proxy/lifecycle/startup_report.h"

#include <chrono>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace weir {
namespace {

StartupReport Report() {
  StartupReport report;
  report.version = "0.1.0";
  report.pid = 4242;
  report.reactors = 2;
  report.poller = "epoll";
  report.splice = true;
  report.descriptors = 20000;
  report.max_connections = 9900;
  report.admin = "http://127.0.0.1:9464";
  report.took = std::chrono::microseconds(4200);
  report.drain_timeout = std::chrono::seconds(25);
  return report;
}

TEST(StartupReport, AlignsColumns) {
  StartupReport report = Report();
  report.forwards = {
      {"pg", {"127.0.0.1:5432", "[::1]:5432"}, {}, "db1:5432", "10.0.0.5"},
      {"web", {"0.0.0.0:8080", "[::]:8080"}, {}, "127.0.0.1:3000", ""},
  };
  EXPECT_EQ(FormatStartupReport(report),
            "weir 0.1.0  pid 4242  2 reactors (epoll)  splice on  fds 20000 "
            "(max 9900 "
            "connections)\n"
            "pg    127.0.0.1:5432 [::1]:5432  ->  db1:5432 (10.0.0.5)\n"
            "web   *:8080                     ->  127.0.0.1:3000\n"
            "admin http://127.0.0.1:9464  /  /metrics  /ready  /live\n"
            "ready in 4 ms. Ctrl-C drains up to 25s; again stops now.\n");
}

TEST(StartupReport, SaysWhatIsSkippedAndResolving) {
  StartupReport report = Report();
  report.admin = "";
  report.forwards = {{"p5432",
                      {"127.0.0.1:5432"},
                      {"[::1]:5432 skipped: Address family not supported"},
                      "db:5432",
                      "resolving"}};
  EXPECT_EQ(
      FormatStartupReport(report),
      "weir 0.1.0  pid 4242  2 reactors (epoll)  splice on  fds 20000 (max "
      "9900 "
      "connections)\n"
      "p5432 127.0.0.1:5432  ->  db:5432 (resolving)  [::1]:5432 skipped: "
      "Address family not supported\n"
      "ready in 4 ms. Ctrl-C drains up to 25s; again stops now.\n");
}

TEST(StartupReport, HasALineForTheProbes) {
  StartupReport report = Report();
  report.admin = "unix:/run/weir";
  report.probes = "http://10.0.0.1:9465";
  report.forwards = {{"pg", {"127.0.0.1:5432"}, {}, "db1:5432", ""}};
  EXPECT_EQ(FormatStartupReport(report),
            "weir 0.1.0  pid 4242  2 reactors (epoll)  splice on  fds 20000 "
            "(max 9900 "
            "connections)\n"
            "pg     127.0.0.1:5432  ->  db1:5432\n"
            "admin  unix:/run/weir  /  /metrics  /ready  /live\n"
            "probes http://10.0.0.1:9465  /metrics  /ready  /live\n"
            "ready in 4 ms. Ctrl-C drains up to 25s; again stops now.\n");
}

TEST(StartupReport, CountsOneReactor) {
  StartupReport report = Report();
  report.reactors = 1;
  report.poller = "poll";
  report.splice = false;
  report.descriptors = 0;
  report.took = std::chrono::microseconds(10);
  report.drain_timeout = std::chrono::milliseconds(1500);
  EXPECT_EQ(FormatStartupReport(report),
            "weir 0.1.0  pid 4242  1 reactor (poll)  splice off\n"
            "admin http://127.0.0.1:9464  /  /metrics  /ready  /live\n"
            "ready in 1 ms. Ctrl-C drains up to 1.5s; again stops now.\n");
}

// One long path does not push every other forward off the screen.
TEST(StartupReport, LongOnesStandOut) {
  StartupReport report = Report();
  report.admin = "";
  report.descriptors = 0;
  const std::string path = "unix:/" + std::string(60, 'x');
  report.forwards = {{"a", {path}, {}, "db:1", ""},
                     {"b", {"127.0.0.1:80"}, {}, "db:2", ""}};
  EXPECT_EQ(FormatStartupReport(report),
            "weir 0.1.0  pid 4242  2 reactors (epoll)  splice on\n"
            "a " +
                path +
                "  ->  db:1\n"
                "b 127.0.0.1:80  ->  db:2\n"
                "ready in 4 ms. Ctrl-C drains up to 25s; again stops now.\n");
}

TEST(StartupReport, ShowsNoControlCharacters) {
  StartupReport report = Report();
  report.forwards = {{"a", {"unix:/\x1b[2J"}, {}, "x\ny", "z\r"}};
  const std::string text = FormatStartupReport(report);
  EXPECT_NE(text.find("a     unix:/?[2J  ->  x?y (z?)\n"), std::string::npos)
      << text;
}

TEST(MergeWildcards, NeedsBothFamiliesOfAPort) {
  std::vector<std::string> bound = {"0.0.0.0:80", "[::]:80"};
  MergeWildcards(&bound);
  EXPECT_EQ(bound, std::vector<std::string>{"*:80"});
  for (const std::vector<std::string>& alone :
       {std::vector<std::string>{"0.0.0.0:80"},
        std::vector<std::string>{"[::]:80"},
        std::vector<std::string>{"0.0.0.0:80", "[::]:81"},
        std::vector<std::string>{"127.0.0.1:80", "[::1]:80"}}) {
    bound = alone;
    MergeWildcards(&bound);
    EXPECT_EQ(bound, alone);
  }
}

}  // namespace
}  // namespace weir
