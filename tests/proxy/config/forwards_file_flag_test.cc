// --forwards_file, from the command line to the forwards.

#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "proxy/config/command_line.h"
#include "proxy/config/forward_spec.h"
#include "tests/proxy/config/command_line_rig.h"

namespace weir {
namespace {

Strings NamesOf(const std::vector<ForwardSpec>& forwards) {
  Strings names;
  for (const ForwardSpec& forward : forwards) names.push_back(forward.name);
  return names;
}

class ForwardsFileFlag : public CommandLineTest {
 protected:
  // The forwards that would run.
  static Strings Runs(const Strings& args, const Strings& env = {}) {
    const absl::StatusOr<CommandLine> line = Parse(args, env);
    EXPECT_TRUE(line.ok()) << line.status();
    if (!line.ok()) return {};
    return NamesOf(std::get<RunCommand>(*line).forwards);
  }
};

TEST_F(ForwardsFileFlag, IsGivenAsAnyFlag) {
  const std::string file = File("a@1=db:1 # one\n\nb@2=db:2\n");
  const Strings both = {"a", "b"};
  EXPECT_EQ(Runs({"--forwards_file=" + file}), both);
  EXPECT_EQ(Runs({"--forwards-file", file}), both);
  EXPECT_EQ(Runs({}, {"WEIR_FORWARDS_FILE=" + file}), both);
  EXPECT_EQ(Runs({"--flagfile=" + File("--forwards_file=" + file)}), both);
  // The last one counts.
  EXPECT_EQ(Runs({"--forwards_file=/nowhere", "--forwards_file=" + file}),
            both);
  EXPECT_EQ(Runs({"--forwards_file=" + file}, {"WEIR_FORWARDS_FILE=/nowhere"}),
            both);
}

TEST_F(ForwardsFileFlag, GoesWithForwardsOfTheCommandLine) {
  const std::string file = File("a@1=db:1\nb@2=db:2\n");
  const Strings all = {"c", "a", "b"};
  EXPECT_EQ(Runs({"--forwards_file=" + file, "c@3=db:3"}), all);
  EXPECT_EQ(Runs({"c@3=db:3"}, {"WEIR_FORWARDS_FILE=" + file}), all);
}

TEST_F(ForwardsFileFlag, IsInsteadOfTheVariable) {
  const std::string file = File("a@1=db:1\n");
  const std::string forwards = "WEIR_FORWARDS=d@4=db:4";
  EXPECT_EQ(Runs({"--forwards_file=" + file}, {forwards}), (Strings{"a"}));
  EXPECT_EQ(Runs({}, {forwards, "WEIR_FORWARDS_FILE=" + file}), (Strings{"a"}));
  EXPECT_EQ(
      Runs({"--forwards_file="}, {forwards, "WEIR_FORWARDS_FILE=" + file}),
      (Strings{"d"}));
}

TEST_F(ForwardsFileFlag, IsForCheckToo) {
  const std::string file = File("\n1=db:1\n2=db\n");
  const std::string error =
      file + ":3: the port is missing: db:PORT\n  2=db\n      ^";
  EXPECT_EQ(ErrorOf({"--forwards_file=" + file}), error);
  EXPECT_EQ(ErrorOf({"check", "--forwards_file=" + file}), error);
  const absl::StatusOr<CommandLine> line =
      Parse({"check", "--forwards_file=" + File("pg@1=db:1")});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(NamesOf(std::get<CheckCommand>(*line).forwards), (Strings{"pg"}));
}

TEST_F(ForwardsFileFlag, IsForNothingElse) {
  EXPECT_EQ(ErrorOf({"demo", "--forwards_file=x"}),
            "weir demo brings its own forward: '--forwards_file' is too much");
  EXPECT_EQ(ErrorOf({"status", "--forwards_file=x"}),
            "--forwards_file means nothing to weir status, which asks a weir "
            "that runs");
  // A variable may be there for a proxy.
  for (const char* command : {"demo", "status"}) {
    EXPECT_TRUE(Parse({command}, {"WEIR_FORWARDS_FILE=/nowhere"}).ok())
        << command;
  }
}

TEST_F(ForwardsFileFlag, NamesAFileThatCanBeRead) {
  EXPECT_EQ(ErrorOf({"--forwards_file=/nowhere/forwards"}),
            "--forwards_file: cannot open /nowhere/forwards: No such file or "
            "directory");
  EXPECT_EQ(ErrorOf({"--forwards_file=/"}),
            "--forwards_file: cannot open /: Is a directory");
  EXPECT_EQ(ErrorOf({"--forwards_file=-"}),
            "--forwards_file: cannot open -: No such file or directory");
  EXPECT_EQ(ErrorOf({"--forwards_file"}),
            "--forwards_file needs a value: --forwards_file=FILE");
}

TEST_F(ForwardsFileFlag, NamesAFileOfAtMostAMebibyte) {
  const std::string most((1 << 20) - 9, '#');
  EXPECT_EQ(Runs({"--forwards_file=" + File(most + "\na@1=db:1")}),
            (Strings{"a"}));
  const std::string file = File(most + "\na@1=db:1\n");
  EXPECT_EQ(ErrorOf({"--forwards_file=" + file}),
            "--forwards_file: " + file + ": larger than 1048576 bytes");
}

TEST_F(ForwardsFileFlag, NamesAFileWithForwards) {
  const std::string file = File("# none\n");
  EXPECT_EQ(ErrorOf({"--forwards_file=" + file}),
            file +
                ": there is no forward in it; a line is one, such as "
                "5432=db:5432");
  EXPECT_EQ(Runs({"--forwards_file=" + file, "c@3=db:3"}), (Strings{"c"}));
}

TEST_F(ForwardsFileFlag, LeavesTheAdminPortAlone) {
  const std::string file = File("\nweb@any:8080=db:1\n");
  const std::string there =
      ": web listens there (" + file + ":2: web@any:8080=db:1)";
  EXPECT_EQ(ErrorOf({"--admin=8080", "--forwards_file=" + file}),
            "--admin=8080" + there);
  EXPECT_EQ(ErrorOf({"--probes=8080", "--forwards_file=" + file}),
            "--probes=8080" + there);
}

}  // namespace
}  // namespace weir
