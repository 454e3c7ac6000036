// Flags and forwards of the environment, and flags of files.

#include <chrono>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "proxy/config/command_line.h"
#include "proxy/config/settings.h"
#include "reactor/poller.h"
#include "tests/proxy/config/command_line_rig.h"

namespace weir {
namespace {

using std::chrono::seconds;

TEST_F(CommandLineTest, ReadsTheEnvironment) {
  EXPECT_EQ(SettingsOf({}, {"WEIR_REACTORS=2"}).reactors, 2);
  EXPECT_TRUE(SettingsOf({}, {"WEIR_VERBOSE=1"}).verbose);
  EXPECT_FALSE(SettingsOf({}, {"WEIR_ADMIN="}).admin.has_value());
  EXPECT_EQ(ErrorOf({"1=db:1"}, {"WEIR_REACTORS=x"}),
            "WEIR_REACTORS=x: must be a whole number, at most 2147483647");
}

TEST_F(CommandLineTest, VariablesThatAreNearlyFlagsAreErrors) {
  EXPECT_EQ(ErrorOf({"1=db:1"}, {"WEIR_REACTOR=2"}),
            "unknown variable WEIR_REACTOR; did you mean WEIR_REACTORS?");
  EXPECT_EQ(ErrorOf({"1=db:1"}, {"WEIR_ADMIM=x"}),
            "unknown variable WEIR_ADMIM; did you mean WEIR_ADMIN?");
  EXPECT_EQ(ErrorOf({"1=db:1"}, {"WEIR_FORWARD=x"}),
            "unknown variable WEIR_FORWARD; did you mean WEIR_FORWARDS?");
}

// Kubernetes sets these in every pod when a service is called weir.
TEST_F(CommandLineTest, OtherVariablesAreLeftAlone) {
  EXPECT_EQ(SettingsOf({}, {"WEIR_SERVICE_HOST=10.0.0.1",
                            "WEIR_PORT=tcp://10.0.0.1:80",
                            "WEIR_PORT_80_TCP_ADDR=10.0.0.1", "WEIRD=1",
                            "REACTORS=7", "WEIR_HOME=/opt/weir"})
                .reactors,
            0);
}

TEST_F(CommandLineTest, ReadsForwardsFromTheEnvironment) {
  const Strings env = {"WEIR_FORWARDS= pg@5432=db:5432  web@8080=app:80\n"};
  absl::StatusOr<CommandLine> line = Parse({}, env);
  ASSERT_TRUE(line.ok()) << line.status();
  ASSERT_EQ(std::get<RunCommand>(*line).forwards.size(), 2u);
  EXPECT_EQ(std::get<RunCommand>(*line).forwards[1].name, "web");
  // The command line wins.
  line = Parse({"1=db:1"}, env);
  ASSERT_TRUE(line.ok()) << line.status();
  ASSERT_EQ(std::get<RunCommand>(*line).forwards.size(), 1u);
  EXPECT_EQ(std::get<RunCommand>(*line).forwards[0].name, "p1");
}

TEST_F(CommandLineTest, ReadsFlagFiles) {
  const std::string file =
      File("# loops\n\n  --reactors=2 \n-poller=poll\n--verbose\n");
  const Settings settings = SettingsOf({"--flagfile=" + file});
  EXPECT_EQ(settings.reactors, 2);
  EXPECT_EQ(settings.poller, PollerKind::kPoll);
  EXPECT_TRUE(settings.verbose);
  EXPECT_EQ(SettingsOf({"--flagfile", file}).reactors, 2);
  EXPECT_EQ(SettingsOf({}, {"WEIR_FLAGFILE=" + file}).reactors, 2);
  EXPECT_EQ(
      SettingsOf({"--flagfile=" + file, "--flagfile=" + File("--reactors=3")})
          .reactors,
      3);
}

TEST_F(CommandLineTest, FlagBeatsVariableBeatsFile) {
  const std::string file =
      File("--reactors=1\n--max_connections=1\n--drain_idle=1s\n");
  const Settings settings =
      SettingsOf({"--reactors=3", "--flagfile=" + file},
                 {"WEIR_REACTORS=2", "WEIR_MAX_CONNECTIONS=2"});
  EXPECT_EQ(settings.reactors, 3);
  EXPECT_EQ(settings.max_connections, 2);
  EXPECT_EQ(settings.drain.idle, seconds(1));
}

TEST_F(CommandLineTest, FlagFilesAreChecked) {
  const auto error_in = [this](const std::string& text) {
    const std::string file = File(text);
    std::string error = ErrorOf({"--flagfile=" + file, "1=db:1"});
    EXPECT_EQ(error.compare(0, file.size(), file), 0) << error;
    return error.substr(file.size());
  };
  EXPECT_EQ(error_in("--reactors=2\n\n--reactor=3\n"),
            ":3: unknown flag --reactor; did you mean --reactors?");
  EXPECT_EQ(error_in("--logtostderr\n"),
            ":1: unknown flag --logtostderr; weir --help lists them");
  EXPECT_EQ(error_in("--reactors=x\n"),
            ":1: --reactors=x: must be a whole number, at most 2147483647");
  EXPECT_EQ(error_in("--reactors\n"),
            ":1: --reactors needs a value: --reactors=N");
  EXPECT_EQ(error_in("5432=db:5432\n"),
            ":1: '5432=db:5432' is not a flag: a line is --flag=value or a # "
            "comment");
  EXPECT_EQ(error_in("--flagfile=x\n"), ":1: a flag file cannot name another");
  EXPECT_EQ(error_in("--help\n"), ":1: --help belongs on the command line");
}

TEST_F(CommandLineTest, FlagFilesMustBeThere) {
  EXPECT_EQ(FlagError("--flagfile=/nowhere/flags"),
            "--flagfile=/nowhere/flags: No such file or directory");
  EXPECT_EQ(FlagError("--flagfile=/"), "--flagfile=/: Is a directory");
  EXPECT_EQ(ErrorOf({"--flagfile"}),
            "--flagfile needs a value: --flagfile=FILE");
}

}  // namespace
}  // namespace weir
