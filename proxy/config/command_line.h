// Public. All that the command line, the environment and flag files say.

#ifndef PROXY_CONFIG_COMMAND_LINE_H_
#define PROXY_CONFIG_COMMAND_LINE_H_

#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "proxy/config/client_command.h"
#include "proxy/config/forward_spec.h"
#include "proxy/config/settings.h"

namespace weir {

// weir FORWARD...
struct RunCommand {
  Settings settings;
  std::vector<ForwardSpec> forwards;  // at least one
};

// weir check [--dial] FORWARD...
struct CheckCommand {
  Settings settings;
  std::vector<ForwardSpec> forwards;  // at least one
  bool dial = false;                  // connect to each target too
};

// weir demo
struct DemoCommand {
  Settings settings;
};

// weir status, top, drain, kill ID, wait: ClientCommand (client_command.h).

// weir help, --help, -h: `text` goes to stdout, exit 0.
struct HelpCommand {
  std::string text;
};

// --version: likewise.
struct VersionCommand {
  std::string text;
};

using CommandLine = std::variant<RunCommand, CheckCommand, DemoCommand,
                                 ClientCommand, HelpCommand, VersionCommand>;

// `env` is environ: NAME=VALUE strings, then null. Forwards are those of the
// command line, then those of --forwards_file; where neither is given, those of
// WEIR_FORWARDS (separated by spaces).
//
// InvalidArgument is bad usage: "weir: " and its message go to stderr, exit 2.
// Errors of flags are one line; those of a forward are three (forward_spec.h).
//
// Sets gflags' flags, a state of the process: call it once, at start, while
// there is one thread. The result does not change when flags do. To read
// --forwards_file it starts threads, with all signals blocked, and waits 10 s
// at most; signals of the caller should still end the process then.
absl::StatusOr<CommandLine> ParseCommandLine(int argc, const char* const* argv,
                                             const char* const* env);

}  // namespace weir

#endif  // PROXY_CONFIG_COMMAND_LINE_H_
