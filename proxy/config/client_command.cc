#include "proxy/config/client_command.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "proxy/config/flags.h"
#include "proxy/config/settings.h"
#include "proxy/config/spec_text.h"
#include "proxy/config/units.h"

namespace weir {
namespace {

// In the order of Verb.
constexpr std::array<std::string_view, 5> kVerbs = {"status", "top", "drain",
                                                    "kill", "wait"};

absl::Status CheckFlags(std::string_view verb,
                        absl::Span<const std::string_view> flags) {
  for (const std::string_view name : flags) {
    const FlagInfo* flag = FindFlag(name);
    if (name == "admin" || BelongsTo(*flag, verb)) continue;
    if (!flag->commands.empty()) continue;  // told by where it belongs
    return absl::InvalidArgumentError(
        absl::StrCat("--", std::string(name), " means nothing to weir ",
                     std::string(verb), ", which asks a weir that runs"));
  }
  return absl::OkStatus();
}

bool CanBeAsked(const std::optional<ListenSpec>& admin) {
  return admin.has_value() &&
         (admin->kind != ListenSpec::Kind::kHostPort || admin->port != 0);
}

// `said`: on the command line.
absl::Status ReadPlace(bool said, std::optional<ListenSpec>* place) {
  if (AdminIsDefault()) return absl::OkStatus();
  const absl::StatusOr<std::optional<ListenSpec>> admin = AdminFromFlag();
  if (!admin.ok()) return admin.status();
  // What a proxy is told, not we.
  if (!said && !CanBeAsked(*admin)) return absl::OkStatus();
  const std::string wrong =
      absl::StrCat("--admin=", Printable(FLAGS_admin), ": ");
  if (!admin->has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(
        wrong, "names no address; without it a weir that runs is found"));
  }
  if (!CanBeAsked(*admin)) {
    return absl::InvalidArgumentError(
        absl::StrCat(wrong, "port 0 cannot be asked"));
  }
  *place = *admin;
  return absl::OkStatus();
}

absl::Status ReadTimeout(Duration* timeout) {
  const absl::StatusOr<Duration> time = ParseDuration(FLAGS_timeout);
  if (!time.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--timeout=", Printable(FLAGS_timeout), ": ",
                     Printable(std::string(time.status().message()))));
  }
  *timeout = *time;
  return absl::OkStatus();
}

absl::Status ReadConnection(absl::Span<const std::string> arguments,
                            ClientCommand* command) {
  if (arguments.empty()) {
    return absl::InvalidArgumentError(
        "weir kill ID: which connection? weir top and GET /debug/connections "
        "list them");
  }
  // Lines name it pg#17. Numbers are of all forwards together: the name only
  // guards against a slip.
  const std::string& text = arguments[0];
  const size_t hash = text.rfind('#');
  const std::string number =
      hash == std::string::npos ? text : text.substr(hash + 1);
  if (number.find_first_not_of("0123456789") != std::string::npos ||
      !absl::SimpleAtoi(number, &command->connection)) {
    return absl::InvalidArgumentError(
        absl::StrCat("weir kill ", Printable(text),
                     ": a connection is a number, such as 17 or pg#17"));
  }
  if (hash != std::string::npos) command->forward = text.substr(0, hash);
  return absl::OkStatus();
}

}  // namespace

std::optional<ClientCommand::Verb> ClientVerb(std::string_view word) {
  for (size_t i = 0; i < kVerbs.size(); ++i) {
    if (kVerbs[i] == word) return static_cast<ClientCommand::Verb>(i);
  }
  return {};
}

absl::StatusOr<ClientCommand> ReadClientCommand(
    ClientCommand::Verb verb, absl::Span<const std::string> arguments,
    absl::Span<const std::string_view> flags) {
  const std::string_view name = kVerbs[static_cast<size_t>(verb)];
  ClientCommand command{.verb = verb, .admin = {}};
  absl::Status status = CheckFlags(name, flags);
  if (!status.ok()) return status;
  const bool kills = verb == ClientCommand::Verb::kKill;
  if (arguments.size() > (kills ? 1 : 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("weir ", std::string(name), ": ",
                     Quote(arguments[kills ? 1 : 0]), " is too much"));
  }
  const bool said =
      std::find(flags.begin(), flags.end(), "admin") != flags.end();
  for (const absl::Status& read :
       {kills ? ReadConnection(arguments, &command) : absl::OkStatus(),
        ReadPlace(said, &command.admin), ReadTimeout(&command.timeout)}) {
    if (!read.ok()) return read;
  }
  command.json = FLAGS_json;
  command.wait = FLAGS_wait;
  return command;
}

}  // namespace weir
