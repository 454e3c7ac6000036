#include "proxy/config/flag_parser.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gflags/gflags.h"
#include "proxy/config/flags.h"
#include "proxy/config/spec_text.h"
#include "proxy/config/suggest.h"

namespace weir {
namespace {

constexpr std::string_view kEnvPrefix = "WEIR_";

struct Assignment {
  const FlagInfo* flag;
  std::string value;
  std::string spelling;  // what the user wrote, for messages
};

// A flag as it stands on a command line or in a file: "--name[=value]".
struct Written {
  std::string name;
  std::optional<std::string> value;
  std::string spelling;  // "--name"
};

bool IsBool(const FlagInfo& flag) {
  return gflags::GetCommandLineFlagInfoOrDie(std::string(flag.name).c_str())
             .type == "bool";
}

Written Split(const std::string& word) {
  const size_t dashes = word.compare(0, 2, "--") == 0 ? 2 : 1;
  const size_t equals = word.find('=');
  Written written;
  written.name =
      word.substr(dashes, equals == std::string::npos ? std::string::npos
                                                      : equals - dashes);
  if (equals != std::string::npos) written.value = word.substr(equals + 1);
  written.spelling = word.substr(0, equals);
  return written;
}

std::vector<std::string_view> FlagNames() {
  std::vector<std::string_view> names = {"flagfile", "help", "version"};
  for (const FlagInfo& flag : WeirFlags()) names.push_back(flag.name);
  return names;
}

bool ComesLater(std::string_view name) {
  const absl::Span<const std::string_view> later = LaterFlags();
  return std::find(later.begin(), later.end(), name) != later.end();
}

absl::Status NotSupportedYet(const std::string& spelling) {
  return absl::InvalidArgumentError(
      absl::StrCat(Printable(spelling), " is not supported yet"));
}

absl::Status UnknownFlag(const Written& written) {
  std::string folded = written.name;
  std::replace(folded.begin(), folded.end(), '-', '_');
  if (ComesLater(folded)) return NotSupportedYet(written.spelling);
  std::string suggestion = Suggest(folded, FlagNames());
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown flag ", Printable(written.spelling),
      suggestion.empty() ? "; weir --help lists them"
                         : absl::StrCat("; did you mean --", suggestion, "?")));
}

// The variable that `name` is a slip of the finger away from; nothing for what
// merely begins alike, for WEIR_PORT is nobody's mistake.
std::string Misspelled(const std::string& name,
                       const std::vector<std::string>& known) {
  for (const std::string& candidate : known) {
    if (EditDistance(name, candidate) <= (candidate.size() <= 5 ? 1 : 2)) {
      return candidate;
    }
  }
  return "";
}

// Whoever asks for one of --verbose and --quiet takes back what a weaker source
// asked for.
void TakeBackOutput(const std::vector<Assignment>& assignments) {
  for (const Assignment& assignment : assignments) {
    const std::string_view name = assignment.flag->name;
    if (name != "verbose" && name != "quiet") continue;
    gflags::SetCommandLineOption("verbose", "false");
    gflags::SetCommandLineOption("quiet", "false");
  }
}

// Sets flags and remembers nothing but an error.
absl::Status Apply(const std::vector<Assignment>& assignments) {
  TakeBackOutput(assignments);
  for (const Assignment& assignment : assignments) {
    const std::string name(assignment.flag->name);
    const std::string result =
        gflags::SetCommandLineOption(name.c_str(), assignment.value.c_str());
    if (!result.empty()) continue;
    const bool is_bool = IsBool(*assignment.flag);
    return absl::InvalidArgumentError(absl::StrCat(
        Printable(assignment.spelling), "=", Printable(assignment.value), ": ",
        is_bool ? "must be true or false"
                : "must be a whole number, at most 2147483647"));
  }
  return absl::OkStatus();
}

class Reader {
 public:
  absl::StatusOr<ParsedFlags> Read(absl::Span<const std::string> args,
                                   absl::Span<const std::string> env) {
    absl::Status status = ReadArguments(args);
    if (!status.ok()) return status;
    if (parsed_.help || parsed_.version) return parsed_;
    status = ReadEnvironment(env);
    if (!status.ok()) return status;
    for (const std::string& path : files_) {
      status = ReadFile(path);
      if (!status.ok()) return status;
    }
    // The strongest last.
    for (const auto* source : {&from_files_, &from_env_, &from_args_}) {
      status = Apply(*source);
      if (!status.ok()) return status;
    }
    for (const Assignment& assignment : from_args_) {
      parsed_.flags.push_back(assignment.flag->name);
    }
    return parsed_;
  }

 private:
  absl::Status ReadArguments(absl::Span<const std::string> args) {
    for (size_t i = 0; i < args.size(); ++i) {
      const std::string& word = args[i];
      if (word == "--") {
        parsed_.arguments.insert(parsed_.arguments.end(), args.begin() + i + 1,
                                 args.end());
        break;
      }
      if (word.size() < 2 || word[0] != '-') {
        parsed_.arguments.push_back(word);
        continue;
      }
      const Written written = Split(word);
      if (written.name == "help" || word == "-h") {
        parsed_.help = true;
      } else if (written.name == "version") {
        parsed_.version = true;
      } else if (word == "-v") {
        from_args_.push_back({FindFlag("verbose"), "true", word});
      } else {
        const bool has_next = i + 1 < args.size() &&
                              (args[i + 1].empty() || args[i + 1][0] != '-' ||
                               args[i + 1] == "-1");
        const bool took_next = !written.value && NeedsValue(written);
        const absl::Status status =
            Add(written,
                took_next && has_next ? std::optional<std::string>(args[i + 1])
                                      : written.value,
                &from_args_, &files_);
        if (!status.ok()) return status;
        if (took_next) ++i;
      }
    }
    return absl::OkStatus();
  }

  static bool NeedsValue(const Written& written) {
    const FlagInfo* flag = FindFlag(written.name);
    return written.name == "flagfile" || (flag != nullptr && !IsBool(*flag));
  }

  // `files` is null where flag files may not be named.
  static absl::Status Add(const Written& written,
                          const std::optional<std::string>& value,
                          std::vector<Assignment>* assignments,
                          std::vector<std::string>* files) {
    const FlagInfo* flag = FindFlag(written.name);
    if (NeedsValue(written) && !value) {
      const std::string what =
          flag == nullptr ? "FILE" : std::string(flag->value);
      return absl::InvalidArgumentError(absl::StrCat(
          Printable(written.spelling),
          " needs a value: ", Printable(written.spelling), "=", what));
    }
    if (written.name == "flagfile") {
      if (files == nullptr) {
        return absl::InvalidArgumentError("a flag file cannot name another");
      }
      files->push_back(*value);
      return absl::OkStatus();
    }
    if (flag != nullptr) {
      assignments->push_back({flag, value.value_or("true"), written.spelling});
      return absl::OkStatus();
    }
    if (written.name.compare(0, 2, "no") == 0) {
      const size_t prefix = written.name.compare(0, 3, "no-") == 0 ? 3 : 2;
      flag = FindFlag(std::string_view(written.name).substr(prefix));
      if (flag != nullptr && IsBool(*flag)) {
        if (value) {
          return absl::InvalidArgumentError(
              absl::StrCat(Printable(written.spelling), " takes no value"));
        }
        assignments->push_back({flag, "false", written.spelling});
        return absl::OkStatus();
      }
    }
    return UnknownFlag(written);
  }

  absl::Status ReadEnvironment(absl::Span<const std::string> env) {
    std::vector<std::string> known = {"FORWARDS"};
    for (const std::string_view name : FlagNames()) {
      if (name == "help" || name == "version") continue;
      // What belongs to a command is said with it.
      const FlagInfo* flag = FindFlag(name);
      if (flag != nullptr && !flag->commands.empty()) continue;
      known.push_back(absl::AsciiStrToUpper(std::string(name)));
    }
    std::vector<std::string> files;
    for (const std::string& item : env) {
      if (item.compare(0, kEnvPrefix.size(), kEnvPrefix) != 0) continue;
      const size_t equals = std::min(item.find('='), item.size());
      const std::string spelling = item.substr(0, equals);
      const std::string name = spelling.substr(kEnvPrefix.size());
      const std::string value = item.substr(std::min(equals + 1, item.size()));
      if (name == "FLAGFILE") {
        files.push_back(value);
      } else if (std::find(known.begin(), known.end(), name) != known.end()) {
        const FlagInfo* flag = FindFlag(absl::AsciiStrToLower(name));
        if (flag != nullptr) from_env_.push_back({flag, value, spelling});
      } else if (ComesLater(absl::AsciiStrToLower(name))) {
        return NotSupportedYet(spelling);
      } else if (const std::string near = Misspelled(name, known);
                 !near.empty()) {
        return absl::InvalidArgumentError(absl::StrCat(
            "unknown variable ", Printable(spelling), "; did you mean ",
            std::string(kEnvPrefix), near, "?"));
      }
    }
    // A file named on the command line is read after, and wins over, these.
    files_.insert(files_.begin(), files.begin(), files.end());
    return absl::OkStatus();
  }

  absl::Status ReadFile(const std::string& path) {
    errno = 0;
    std::ifstream file(path);
    std::string line;
    for (int number = 1; std::getline(file, line); ++number) {
      const std::string text(absl::StripAsciiWhitespace(line));
      if (text.empty() || text[0] == '#') continue;
      const std::string place = absl::StrCat(path, ":", number, ": ");
      if (text[0] != '-') {
        return absl::InvalidArgumentError(absl::StrCat(
            Printable(place), Quote(text),
            " is not a flag: a line is --flag=value or a # comment"));
      }
      const Written written = Split(text);
      if (written.name == "help" || written.name == "version") {
        return absl::InvalidArgumentError(
            absl::StrCat(Printable(place), written.spelling,
                         " belongs on the command line"));
      }
      const absl::Status status =
          Add(written, written.value, &from_files_, nullptr);
      if (!status.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat(Printable(place), std::string(status.message())));
      }
      from_files_.back().spelling = place + written.spelling;
    }
    // A directory opens, and fails when it is read.
    if (file.bad() || !file.eof()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--flagfile=", Printable(path), ": ",
                       std::strerror(errno != 0 ? errno : EIO)));
    }
    return absl::OkStatus();
  }

  ParsedFlags parsed_;
  std::vector<std::string> files_;
  std::vector<Assignment> from_args_;
  std::vector<Assignment> from_env_;
  std::vector<Assignment> from_files_;
};

}  // namespace

absl::StatusOr<ParsedFlags> ParseFlags(absl::Span<const std::string> args,
                                       absl::Span<const std::string> env) {
  return Reader().Read(args, env);
}

}  // namespace weir
