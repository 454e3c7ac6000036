// Public. What the command line asks for, parsed: immutable once built.

#ifndef PROXY_CONFIG_FORWARD_SPEC_H_
#define PROXY_CONFIG_FORWARD_SPEC_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "reactor/clock.h"

namespace weir {

// Where a forward listens.
struct ListenSpec {
  enum class Kind {
    kLoopback,  // a bare PORT: 127.0.0.1 and [::1]
    kAny,       // any:PORT: every interface, both families
    kHostPort,  // HOST:PORT or [IP6%ZONE]:PORT
    kUnix,      // a path, or an abstract name ('@' first)
  };
  Kind kind = Kind::kLoopback;
  std::string host;   // kHostPort: an address literal or a name, no brackets
  uint16_t port = 0;  // 0: the kernel picks
  std::string path;   // kUnix
};

// Where a forward connects to.
struct TargetSpec {
  enum class Kind { kHostPort, kUnix };
  Kind kind = Kind::kHostPort;
  std::string host;  // an address literal or a name, no brackets
  uint16_t port = 0;
  std::string path;  // kUnix; abstract names have '@' first
  // As the user wrote it (a bare PORT as "127.0.0.1:PORT"): the name in lines
  // and in the metric label `upstream`.
  std::string text;
};

// Whether bytes go from socket to socket through a pipe instead of through this
// process.
enum class SpliceMode : uint8_t {
  kAuto,  // a stream that is bulk at the moment
  kOn,    // from the first byte
  kOff,
};
// As they are written, in the order of SpliceMode.
inline constexpr std::string_view kSpliceModeNames[] = {"auto", "on", "off"};

struct ForwardSpec {
  std::string name;  // [a-z][a-z0-9_-]{0,31}, unique
  ListenSpec listen;
  TargetSpec target;

  Duration connect_timeout = std::chrono::seconds(5);
  Duration half_close_timeout = std::chrono::seconds(60);  // without progress
  Duration idle_timeout = kForever;                        // kForever: off
  Duration lifetime = kForever;                            // kForever: off
  bool no_delay = true;
  // Idle time before the first keepalive probe; kForever: off.
  Duration keepalive = std::chrono::seconds(60);
  // How long sent bytes may stay unacknowledged, or a peer may not read
  // (TCP_USER_TIMEOUT); kForever: the kernel's own rules.
  Duration user_timeout = kForever;
  // How long the kernel holds back a client that has not sent anything yet
  // (TCP_DEFER_ACCEPT, whole seconds); kForever: off.
  Duration defer = kForever;
  bool fast_open = false;  // takes bytes that come with a SYN (TCP_FASTOPEN)
  // Of each socket, in bytes (SO_RCVBUF, SO_SNDBUF); 0: the kernel tunes them.
  int64_t receive_buffer = 0;
  int64_t send_buffer = 0;
  SpliceMode splice = SpliceMode::kAuto;

  std::string text;  // the spec as it was given, for messages
  // "FILE:LINE" of a file of forwards; empty: of the command line, or
  // WEIR_FORWARDS.
  std::string place;

  // What a message shows of a forward that it names besides another.
  std::string Written() const {
    return place.empty() ? text : place + ": " + text;
  }
};

// A file of forwards, read.
struct ForwardsFile {
  std::string name;  // as the user wrote it, for messages
  std::string text;
};

// Parses one FORWARD. InvalidArgument's message is what a person reads: what is
// wrong and the way out, then the spec and a caret under the spot on lines of
// their own:
//
//   IPv6 addresses need brackets: [::1]:80=db:5432
//     ::1:80=db:5432
//     ^
absl::StatusOr<ForwardSpec> ParseForward(std::string_view text);

// Parses all of them; names must be unique, and no forward may be its own
// target. Those of `file`, unless it is null, come behind `texts`; an error
// that is about one of these has "FILE:LINE: " in front (forwards_file.h), and
// it is an error when there is a file and no forward at all.
absl::StatusOr<std::vector<ForwardSpec>> ParseForwards(
    absl::Span<const std::string> texts, const ForwardsFile* file = nullptr);

}  // namespace weir

#endif  // PROXY_CONFIG_FORWARD_SPEC_H_
