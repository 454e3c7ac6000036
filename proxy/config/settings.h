// Public. What the flags ask for, checked: immutable once built.

#ifndef PROXY_CONFIG_SETTINGS_H_
#define PROXY_CONFIG_SETTINGS_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "proxy/config/accept_mode.h"
#include "proxy/config/access_format_kind.h"
#include "proxy/config/forward_spec.h"
#include "proxy/config/shard_policy_kind.h"
#include "reactor/async_file/completion.h"
#include "reactor/clock.h"
#include "reactor/poller.h"

namespace weir {

// How a drain goes. `delay` and `timeout` count from the signal.
struct DrainTimes {
  Duration delay = Duration::zero();  // goes on accepting; shorter than timeout
  Duration idle = std::chrono::seconds(10);  // without a byte: told to end
  Duration spread =
      std::chrono::seconds(5);  // over which those ends are spread
  Duration timeout = std::chrono::seconds(25);  // what is left is reset
};

struct AccessLogSettings {
  std::string file;  // empty: no access log
  AccessFormat format = AccessFormat::kJson;
  bool open_lines = false;       // a line when a connection is open
  Duration every = kForever;     // and as often while it lasts
  int64_t buffer = 1024 * 1024;  // bytes, of each loop
  AioCompletion file_io = AioCompletion::kPolled;
};

struct Settings {
  PollerKind poller = PollerKind::kEpoll;
  int reactors = 0;  // 0: as many as the cores really allow
  bool pin_reactors = false;
  AcceptMode accept = AcceptMode::kShared;
  // Never kLag without loop_metrics, nor kLocal with AcceptMode::kDedicated.
  ShardPolicy shard = ShardPolicy::kLeast;
  // What is counted as a stall; at least 1 ms.
  Duration stall_threshold = std::chrono::milliseconds(10);
  bool allow_stall_injection = false;  // POST /debug/stall
  bool loop_metrics = true;            // off: to measure what they cost

  int max_connections = 0;    // 0: as many as the descriptors allow
  int splice_pipes = -1;      // -1: by the descriptors
  int64_t buffer_memory = 0;  // bytes; 0: a quarter of the memory limit

  // None: off. Else of kind kHostPort, and the host is an address, no name, or
  // of kind kUnix with a path.
  std::optional<ListenSpec> admin;
  bool admin_is_default = true;  // nobody asked for an address
  // None: off. Else of kind kHostPort, as above.
  std::optional<ListenSpec> probes;
  // As Resolver::Options::servers: "10.0.0.2:53,[::1]:5353"; empty: those of
  // /etc/resolv.conf.
  std::string resolvers;
  std::string ports_file;  // empty: none
  int ready_fd = -1;       // an open descriptor; -1: none

  DrainTimes drain;
  AccessLogSettings access_log;

  bool verbose = false;  // a line for each connection's open and close
  bool quiet = false;    // errors only; never with verbose
};

// --admin alone, as in Settings, and whether nobody gave it.
absl::StatusOr<std::optional<ListenSpec>> AdminFromFlag();
bool AdminIsDefault();

// Reads gflags' registry. InvalidArgument's message is one line that names the
// flag and its value.
absl::StatusOr<Settings> SettingsFromFlags();

}  // namespace weir

#endif  // PROXY_CONFIG_SETTINGS_H_
