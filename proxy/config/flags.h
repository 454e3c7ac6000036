// Public. weir's flags. gflags is the registry; weir reads the command line
// itself (flag_parser.h), and only what is declared here counts as its own: the
// flags that gflags and glog define for themselves are unknown to it.

#ifndef PROXY_CONFIG_FLAGS_H_
#define PROXY_CONFIG_FLAGS_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "gflags/gflags_declare.h"

// What to forward.
DECLARE_string(forwards_file);

// Loops.
DECLARE_string(poller);
DECLARE_int32(reactors);
DECLARE_bool(affinity);
DECLARE_string(accept);
DECLARE_string(shard);
DECLARE_string(stall_threshold);
DECLARE_bool(allow_stall_injection);
DECLARE_bool(loop_metrics);

// Limits.
DECLARE_int32(max_connections);
DECLARE_string(buffer_memory);
DECLARE_int32(splice_pipes);

// Around it.
DECLARE_string(admin);
DECLARE_string(probes);
DECLARE_string(resolvers);
DECLARE_string(ports_file);
DECLARE_int32(ready_fd);

// Stopping.
DECLARE_string(drain_delay);
DECLARE_string(drain_idle);
DECLARE_string(drain_spread);
DECLARE_string(drain_timeout);

// Output.
DECLARE_bool(verbose);
DECLARE_bool(quiet);

// Access log.
DECLARE_string(access_log);
DECLARE_string(access_log_format);
DECLARE_bool(access_log_open);
DECLARE_string(access_log_every);
DECLARE_string(access_log_buffer);
DECLARE_string(file_io);

// Of one command, or two.
DECLARE_bool(dial);       // check
DECLARE_bool(json);       // status
DECLARE_bool(wait);       // drain
DECLARE_string(timeout);  // drain, wait

namespace weir {

// One flag as --help shows it. Its default value and its description are in the
// registry.
struct FlagInfo {
  std::string_view name;
  std::string_view value;  // what to call its value; empty for bools
  std::string_view group;  // a heading
  // What it belongs to: "drain wait"; empty for the proxy's own flags.
  std::string_view commands = {};
};

// Whether `command` is one of the flag's.
bool BelongsTo(const FlagInfo& flag, std::string_view command);

// Every flag declared above, in the order of --help, each group together.
absl::Span<const FlagInfo> WeirFlags();

// The flag of that name, or null. '-' counts as '_', so --drain-idle is known.
const FlagInfo* FindFlag(std::string_view name);

// Name and value now of each flag of the proxy's own, in that order.
std::vector<std::pair<std::string, std::string>> FlagValues();

// Names that are announced for later.
absl::Span<const std::string_view> LaterFlags();

}  // namespace weir

#endif  // PROXY_CONFIG_FLAGS_H_
