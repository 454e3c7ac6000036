// Forwards and commands, from the command line on.

#include "proxy/config/command_line.h"

#include <chrono>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proxy/config/client_command.h"
#include "tests/proxy/config/command_line_rig.h"

namespace weir {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

TEST_F(CommandLineTest, RunsForwards) {
  const absl::StatusOr<CommandLine> line =
      Parse({"pg@5432=db:5432", "web@any:8080=3000"});
  ASSERT_TRUE(line.ok()) << line.status();
  const auto& run = std::get<RunCommand>(*line);
  ASSERT_EQ(run.forwards.size(), 2u);
  EXPECT_EQ(run.forwards[0].name, "pg");
  EXPECT_EQ(run.forwards[1].name, "web");
}

TEST_F(CommandLineTest, TakesFlagsAfterForwards) {
  const absl::StatusOr<CommandLine> line =
      Parse({"1=db:1", "--reactors=2", "2=db:2"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(std::get<RunCommand>(*line).settings.reactors, 2);
  EXPECT_EQ(std::get<RunCommand>(*line).forwards.size(), 2u);
}

TEST_F(CommandLineTest, TwoDashesEndFlags) {
  EXPECT_THAT(ErrorOf({"--", "--reactors=2"}), HasSubstr("--reactors=2\n"));
}

TEST_F(CommandLineTest, ForwardsMayNotTakeTheAdminPort) {
  EXPECT_EQ(ErrorOf({"--admin=8080", "web@any:8080=db:1"}),
            "--admin=8080: web listens there (web@any:8080=db:1)");
  // An admin port that nobody asked for goes elsewhere.
  EXPECT_TRUE(Parse({"9464=db:1"}).ok());
}

TEST_F(CommandLineTest, Checks) {
  absl::StatusOr<CommandLine> line = Parse({"check", "pg@5432=db:5432"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(std::get<CheckCommand>(*line).forwards[0].name, "pg");
  EXPECT_FALSE(std::get<CheckCommand>(*line).dial);
  line = Parse({"check", "--dial"}, {"WEIR_FORWARDS=1=db:1"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_TRUE(std::get<CheckCommand>(*line).dial);
  EXPECT_EQ(ErrorOf({"check"}), "nothing to check: weir check FORWARD...");
  EXPECT_EQ(ErrorOf({"--dial", "1=db:1"}), "--dial belongs to weir check");
}

TEST_F(CommandLineTest, SpeaksToAWeirThatRuns) {
  using Verb = ClientCommand::Verb;
  const auto client = [](const Strings& args, const Strings& env = {}) {
    const absl::StatusOr<CommandLine> line = Parse(args, env);
    EXPECT_TRUE(line.ok()) << line.status();
    return line.ok() ? std::get<ClientCommand>(*line) : ClientCommand();
  };
  EXPECT_EQ(client({"top"}).verb, Verb::kTop);
  EXPECT_FALSE(client({"top"}).admin.has_value());
  EXPECT_FALSE(client({"status"}).json);
  EXPECT_TRUE(client({"status", "--json"}).json);
  EXPECT_FALSE(client({"drain"}).wait);
  EXPECT_EQ(client({"drain", "--wait"}).timeout, seconds(30));
  EXPECT_TRUE(client({"drain", "--wait"}).wait);
  EXPECT_EQ(client({"wait", "--timeout=5s"}).timeout, seconds(5));
  EXPECT_EQ(client({"kill", "17"}).connection, 17u);
  EXPECT_EQ(client({"kill", "17"}).forward, "");
  EXPECT_EQ(client({"kill", "pg#18"}).connection, 18u);
  EXPECT_EQ(client({"kill", "pg#18"}).forward, "pg");
  EXPECT_EQ(client({"status", "--admin=9465"}).admin->port, 9465);
  // The environment may be a proxy's own: of it only the address counts.
  const ClientCommand command =
      client({"status"}, {"WEIR_ADMIN=[::1]:7", "WEIR_READY_FD=77",
                          "WEIR_REACTORS=3", "WEIR_FORWARDS=1=db:1"});
  EXPECT_EQ(command.admin->host, "::1");
  EXPECT_EQ(command.admin->port, 7);
  // An address that nobody can be asked at is none.
  for (const char* admin : {"off", "0", "127.0.0.1:0", ""}) {
    EXPECT_FALSE(client({"status"}, {std::string("WEIR_ADMIN=") + admin})
                     .admin.has_value())
        << admin;
  }
}

TEST_F(CommandLineTest, ACommandTakesItsOwnFlagsOnly) {
  EXPECT_EQ(ErrorOf({"top", "--json"}), "--json belongs to weir status");
  EXPECT_EQ(ErrorOf({"1=db:1", "--wait"}), "--wait belongs to weir drain");
  EXPECT_EQ(ErrorOf({"status", "--timeout=1s"}),
            "--timeout belongs to weir drain and weir wait");
  EXPECT_EQ(ErrorOf({"demo", "--timeout=1s"}),
            "--timeout belongs to weir drain and weir wait");
  EXPECT_EQ(ErrorOf({"drain", "--drain-timeout=1s"}),
            "--drain_timeout means nothing to weir drain, which asks a weir "
            "that runs");
  EXPECT_EQ(ErrorOf({"wait", "--timeout=soon"}),
            "--timeout=soon: 'soon' is not a time, such as 5s");
  EXPECT_EQ(ErrorOf({"status", "--admin=0"}),
            "--admin=0: port 0 cannot be asked");
  EXPECT_EQ(ErrorOf({"status", "--admin=off"}),
            "--admin=off: names no address; without it a weir that runs is "
            "found");
  EXPECT_EQ(ErrorOf({"status", "x"}), "weir status: 'x' is too much");
  EXPECT_EQ(ErrorOf({"kill", "1", "2"}), "weir kill: '2' is too much");
  EXPECT_THAT(ErrorOf({"kill"}), HasSubstr("which connection?"));
  for (const char* id : {"", "x", "-", "1x", "pg#", "99999999999999999999"}) {
    EXPECT_THAT(ErrorOf({"kill", id}), HasSubstr("a connection is a number"));
  }
  // (Not the slip of a finger either: nobody makes such a variable.)
  EXPECT_TRUE(Parse({"status"}, {"WEIR_TIMEOUT=1s", "WEIR_WAIT=1"}).ok());
  EXPECT_EQ(ErrorOf({"statu"}),
            "unknown command 'statu'; did you mean 'status'?");
}

TEST_F(CommandLineTest, Demonstrates) {
  const absl::StatusOr<CommandLine> line = Parse({"demo", "--reactors=2"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(std::get<DemoCommand>(*line).settings.reactors, 2);
  EXPECT_EQ(ErrorOf({"demo", "1=db:1"}),
            "weir demo brings its own forward: '1=db:1' is too much");
}

TEST_F(CommandLineTest, RefusesUnknownCommands) {
  EXPECT_EQ(ErrorOf({"chek"}), "unknown command 'chek'; did you mean 'check'?");
  EXPECT_EQ(ErrorOf({"db"}),
            "unknown command 'db'; a forward is "
            "LISTEN=TARGET, such as 5432=db:5432");
}

TEST_F(CommandLineTest, WithoutArgumentsShowsExamples) {
  const std::string error = ErrorOf({});
  EXPECT_THAT(error, testing::StartsWith("nothing to forward; weir --help"));
  EXPECT_THAT(error, HasSubstr("weir 5432=db:5432"));
  EXPECT_THAT(error, HasSubstr("weir any:8080=3000"));
  EXPECT_THAT(error, HasSubstr("weir demo"));
  EXPECT_EQ(ErrorOf({}, {"WEIR_FORWARDS= "}), error);
}

}  // namespace
}  // namespace weir
