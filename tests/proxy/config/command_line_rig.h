// For the tests of arguments, environment and files, from end to end.

#ifndef TESTS_PROXY_CONFIG_COMMAND_LINE_RIG_H_
#define TESTS_PROXY_CONFIG_COMMAND_LINE_RIG_H_

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gflags/gflags.h"
#include "gtest/gtest.h"
#include "proxy/config/command_line.h"
#include "proxy/config/settings.h"

namespace weir {

using Strings = std::vector<std::string>;

// Flags are a state of the process, so each test puts them back.
class CommandLineTest : public testing::Test {
 protected:
  static absl::StatusOr<CommandLine> Parse(const Strings& args,
                                           const Strings& env = {}) {
    std::vector<const char*> argv = {"weir"};
    for (const std::string& arg : args) argv.push_back(arg.c_str());
    std::vector<const char*> environment;
    for (const std::string& item : env) environment.push_back(item.c_str());
    environment.push_back(nullptr);
    const gflags::FlagSaver saver;
    return ParseCommandLine(static_cast<int>(argv.size()), argv.data(),
                            environment.data());
  }

  static Settings SettingsOf(const Strings& flags, const Strings& env = {}) {
    Strings args = flags;
    args.push_back("5432=db:5432");
    const absl::StatusOr<CommandLine> line = Parse(args, env);
    EXPECT_TRUE(line.ok()) << line.status();
    if (!line.ok()) return Settings();
    return std::get<RunCommand>(*line).settings;
  }

  // Expects bad usage, and gives what it says.
  static std::string ErrorOf(const Strings& args, const Strings& env = {}) {
    const absl::StatusOr<CommandLine> line = Parse(args, env);
    EXPECT_EQ(line.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(line.status().message());
  }

  // A flag error, where a forward is there too.
  static std::string FlagError(const std::string& flag) {
    const std::string error = ErrorOf({flag, "5432=db:5432"});
    EXPECT_EQ(error.find('\n'), std::string::npos) << "one line: " << error;
    return error;
  }

  // The path of a new file with that text, gone after the test.
  std::string File(const std::string& text) {
    files_.push_back(testing::TempDir() + "/command_line." +
                     std::to_string(getpid()) + "." +
                     std::to_string(files_.size()));
    std::ofstream(files_.back()) << text;
    return files_.back();
  }

  void TearDown() override {
    for (const std::string& file : files_) std::remove(file.c_str());
  }

 private:
  Strings files_;
};

}  // namespace weir

#endif  // TESTS_PROXY_CONFIG_COMMAND_LINE_RIG_H_
