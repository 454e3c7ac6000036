#include "proxy/config/command_line.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/types/span.h"
#include "gflags/gflags.h"
#include "proxy/config/client_command.h"
#include "proxy/config/flag_parser.h"
#include "proxy/config/flags.h"
#include "proxy/config/forward_conflicts.h"
#include "proxy/config/forward_spec.h"
#include "proxy/config/help_text.h"
#include "proxy/config/settings.h"
#include "proxy/config/spec_text.h"
#include "proxy/config/suggest.h"
#include "reactor/async_file/read_file.h"
#include "reactor/clock.h"

namespace weir {
namespace {

constexpr std::string_view kCommands[] = {"check", "demo",   "drain", "help",
                                          "kill",  "status", "top",   "wait"};
constexpr std::string_view kForwardsVariable = "WEIR_FORWARDS=";
// Far more than any machine has ports for; and somebody waits at a terminal.
constexpr size_t kLargestForwardsFile = 1 << 20;
constexpr Duration kForwardsFilePatience = std::chrono::seconds(10);

bool Contains(absl::Span<const std::string_view> words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// A forward always has a '=' or ':' somewhere, or is a number that lacks them.
bool LooksLikeCommand(const std::string& word) {
  return !word.empty() && absl::ascii_isalpha(word[0]) &&
         std::all_of(word.begin(), word.end(), [](char c) {
           return absl::ascii_isalpha(c) || c == '-' || c == '_';
         });
}

std::vector<std::string> ForwardsFromEnv(absl::Span<const std::string> env) {
  std::vector<std::string> forwards;
  for (const std::string& item : env) {
    if (item.compare(0, kForwardsVariable.size(), kForwardsVariable) != 0) {
      continue;
    }
    std::istringstream words(item.substr(kForwardsVariable.size()));
    for (std::string word; words >> word;) forwards.push_back(word);
  }
  return forwards;
}

// Those of the command line and of --forwards_file.
absl::StatusOr<std::vector<ForwardSpec>> AllForwards(
    const std::vector<std::string>& texts) {
  if (FLAGS_forwards_file.empty()) return ParseForwards(texts);
  absl::StatusOr<std::string> text = ReadFileNow(
      FLAGS_forwards_file, kLargestForwardsFile, kForwardsFilePatience);
  if (!text.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--forwards_file: ", Printable(std::string(text.status().message()))));
  }
  const ForwardsFile file{FLAGS_forwards_file, *std::move(text)};
  return ParseForwards(texts, &file);
}

absl::StatusOr<std::vector<ForwardSpec>> ReadForwards(
    const std::vector<std::string>& texts, const Settings& settings) {
  absl::StatusOr<std::vector<ForwardSpec>> forwards = AllForwards(texts);
  if (!forwards.ok()) return forwards.status();
  for (const ForwardSpec& forward : *forwards) {
    // An admin port that nobody asked for moves by itself.
    if (settings.admin && !settings.admin_is_default &&
        ListenersCollide(forward.listen, *settings.admin)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--admin=", FLAGS_admin, ": ", forward.name,
                       " listens there (", forward.Written(), ")"));
    }
    if (settings.probes && ListenersCollide(forward.listen, *settings.probes)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--probes=", FLAGS_probes, ": ", forward.name,
                       " listens there (", forward.Written(), ")"));
    }
  }
  if (settings.probes && settings.admin && !settings.admin_is_default &&
      ListenersCollide(*settings.probes, *settings.admin)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--probes=", FLAGS_probes,
        ": the admin port listens there (--admin=", FLAGS_admin, ")"));
  }
  return forwards;
}

absl::Status UnknownCommand(const std::string& word) {
  const std::string hint = DidYouMean(word, kCommands);
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown command ", Quote(word),
      hint.empty() ? "; a forward is LISTEN=TARGET, such as 5432=db:5432"
                   : hint));
}

// What belongs to a command and was given with another.
absl::Status CheckFlags(const std::string& command) {
  for (const FlagInfo& flag : WeirFlags()) {
    if (flag.commands.empty() || BelongsTo(flag, command)) continue;
    const std::string name(flag.name);
    if (gflags::GetCommandLineFlagInfoOrDie(name.c_str()).is_default) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("--", name, " belongs to weir ",
                     absl::StrReplaceAll(std::string(flag.commands),
                                         {{" ", " and weir "}})));
  }
  return absl::OkStatus();
}

// Reads flags' settings, then what `arguments` say.
absl::StatusOr<CommandLine> Interpret(std::vector<std::string> arguments,
                                      absl::Span<const std::string_view> flags,
                                      absl::Span<const std::string> env) {
  const bool has_command = !arguments.empty() && LooksLikeCommand(arguments[0]);
  const std::string command = has_command ? arguments[0] : "";
  if (has_command) arguments.erase(arguments.begin());
  if (command == "help") return HelpCommand{HelpText()};
  if (has_command && !Contains(kCommands, command)) {
    return UnknownCommand(command);
  }
  const absl::Status flags_fit = CheckFlags(command);
  if (!flags_fit.ok()) return flags_fit;
  if (const auto verb = ClientVerb(command)) {
    const absl::StatusOr<ClientCommand> client =
        ReadClientCommand(*verb, arguments, flags);
    if (!client.ok()) return client.status();
    return *client;
  }
  const absl::StatusOr<Settings> settings = SettingsFromFlags();
  if (!settings.ok()) return settings.status();
  if (command == "demo") {
    // (A variable may be there for a proxy, as WEIR_FORWARDS.)
    if (Contains(flags, "forwards_file")) arguments = {"--forwards_file"};
    if (!arguments.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "weir demo brings its own forward: ", Quote(arguments[0]),
          " is too much"));
    }
    return DemoCommand{*settings};
  }
  const bool has_file = !FLAGS_forwards_file.empty();
  if (arguments.empty() && !has_file) arguments = ForwardsFromEnv(env);
  if (arguments.empty() && !has_file) {
    return absl::InvalidArgumentError(
        command == "check" ? "nothing to check: weir check FORWARD..."
                           : ShortUsage());
  }
  absl::StatusOr<std::vector<ForwardSpec>> forwards =
      ReadForwards(arguments, *settings);
  if (!forwards.ok()) return forwards.status();
  if (command == "check") {
    return CheckCommand{*settings, *std::move(forwards), FLAGS_dial};
  }
  return RunCommand{*settings, *std::move(forwards)};
}

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(int argc, const char* const* argv,
                                             const char* const* env) {
  const std::vector<std::string> args(argv + std::min(argc, 1), argv + argc);
  std::vector<std::string> variables;
  for (; *env != nullptr; ++env) variables.emplace_back(*env);
  absl::StatusOr<ParsedFlags> flags = ParseFlags(args, variables);
  if (!flags.ok()) return flags.status();
  if (flags->help) return HelpCommand{HelpText()};
  if (flags->version) return VersionCommand{VersionText()};
  return Interpret(std::move(flags->arguments), flags->flags, variables);
}

}  // namespace weir
