// What weir says about itself.

#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_split.h"
#include "gflags/gflags.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proxy/config/command_line.h"
#include "proxy/config/flags.h"
#include "tests/proxy/config/command_line_rig.h"

namespace weir {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST_F(CommandLineTest, ShowsTheVersion) {
  for (const char* flag : {"--version", "-version"}) {
    const absl::StatusOr<CommandLine> line = Parse({flag});
    ASSERT_TRUE(line.ok()) << line.status();
    EXPECT_EQ(std::get<VersionCommand>(*line).text, "weir 0.1.0\n");
  }
}

TEST_F(CommandLineTest, ShowsHelp) {
  for (const Strings& args :
       {Strings{"--help"}, Strings{"-h"}, Strings{"help"},
        Strings{"check", "--help"}, Strings{"1=db:1", "-h"}}) {
    const absl::StatusOr<CommandLine> line = Parse(args);
    ASSERT_TRUE(line.ok()) << line.status();
    EXPECT_TRUE(std::holds_alternative<HelpCommand>(*line)) << args[0];
  }
}

// Help is help even when the environment is wrong.
TEST_F(CommandLineTest, HelpNeedsNothingElse) {
  EXPECT_TRUE(Parse({"--help"}, {"WEIR_REACTORS=x"}).ok());
  EXPECT_TRUE(Parse({"--version", "--flagfile=/nowhere"}).ok());
}

std::string Help() {
  const char* argv[] = {"weir", "--help"};
  const char* env[] = {nullptr};
  return std::get<HelpCommand>(*ParseCommandLine(2, argv, env)).text;
}

TEST_F(CommandLineTest, HelpFitsATerminal) {
  for (const auto line : absl::StrSplit(Help(), '\n')) {
    EXPECT_LE(line.size(), 80u) << line;
  }
}

TEST_F(CommandLineTest, HelpShowsOurFlagsOnly) {
  const std::string help = Help();
  for (const FlagInfo& flag : WeirFlags()) {
    EXPECT_THAT(help, HasSubstr("  --" + std::string(flag.name)));
  }
  EXPECT_THAT(help, Not(HasSubstr("logtostderr")));
  EXPECT_THAT(help, Not(HasSubstr("fromenv")));
}

// A flag is ours when flags.cc defines it: none is forgotten in the table, and
// all in it exist.
TEST_F(CommandLineTest, TableHasEveryFlag) {
  std::vector<gflags::CommandLineFlagInfo> all;
  gflags::GetAllFlags(&all);
  size_t ours = 0;
  for (const gflags::CommandLineFlagInfo& flag : all) {
    const bool defined_here =
        flag.filename.find("proxy/config/flags.cc") != std::string::npos;
    EXPECT_EQ(FindFlag(flag.name) != nullptr, defined_here) << flag.name;
    if (defined_here) ++ours;
  }
  EXPECT_EQ(ours, WeirFlags().size());
}

}  // namespace
}  // namespace weir
