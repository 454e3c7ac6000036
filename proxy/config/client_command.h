// Public. The commands that speak to a running weir.

#ifndef PROXY_CONFIG_CLIENT_COMMAND_H_
#define PROXY_CONFIG_CLIENT_COMMAND_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "proxy/config/forward_spec.h"
#include "reactor/clock.h"

namespace weir {

struct ClientCommand {
  enum class Verb { kStatus, kTop, kDrain, kKill, kWait };
  Verb verb = Verb::kStatus;
  // Of kind kHostPort (an address literal, and the port is not 0) or kUnix.
  // Nothing: nobody said where, find it.
  std::optional<ListenSpec> admin;
  bool json = false;        // kStatus: GET /status as it is
  bool wait = false;        // kDrain: until the process is gone
  Duration timeout{0};      // kWait, and kDrain that waits
  uint64_t connection = 0;  // kKill
  // kKill: the forward that it must be of; empty: whichever.
  std::string forward;
};

// Nothing when `word` is none of these commands.
std::optional<ClientCommand::Verb> ClientVerb(std::string_view word);

// Reads gflags' registry. `arguments` follow the command; `flags` are those
// that the command line gives, each of which must mean something to this
// command. (The environment and flag files may be those of a proxy: an admin
// port there that is off, or any free one, says nothing.)
// InvalidArgument's message is one line.
absl::StatusOr<ClientCommand> ReadClientCommand(
    ClientCommand::Verb verb, absl::Span<const std::string> arguments,
    absl::Span<const std::string_view> flags);

}  // namespace weir

#endif  // PROXY_CONFIG_CLIENT_COMMAND_H_
