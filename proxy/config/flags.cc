#include "proxy/config/flags.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "gflags/gflags.h"

DEFINE_string(forwards_file, "",
              "a file, or a pipe, of more forwards: one a line, and # starts a "
              "comment");

DEFINE_string(
    poller, "epoll",
    "how loops wait: epoll, poll, select or io_uring (epoll where the "
    "kernel forbids it)");
DEFINE_int32(reactors, 0,
             "event loops, each a thread; 0: one for each core that affinity "
             "and cgroup allow");
DEFINE_bool(affinity, false, "pin each loop to a core of its own");
DEFINE_string(accept, "shared",
              "which loop accepts: shared (each, from one socket an address), "
              "reuseport (each, from a socket of its own; unix sockets stay "
              "shared) or dedicated (the control loop, for all)");
DEFINE_string(shard, "least",
              "which loop gets a connection: least (the one with the fewest), "
              "round_robin, lag (the fewest, and fewer where a loop runs late) "
              "or local (the one that accepted it); local does not go with "
              "--accept=dedicated, and lag needs --loop_metrics");
DEFINE_string(stall_threshold, "10ms",
              "a callback or a round of a loop that takes this long is counted "
              "as a stall");
DEFINE_bool(allow_stall_injection, false,
            "let POST /debug/stall hold a loop, to see how that shows");
DEFINE_bool(loop_metrics, true,
            "observe the loops; --noloop_metrics: neither lag nor stalls, to "
            "measure what that costs; /live then does not see a loop that is "
            "stuck");

DEFINE_int32(max_connections, 0,
             "connections at once; 0: as many as the descriptors allow");
DEFINE_string(buffer_memory, "0",
              "bytes that waiting data may take in all, such as 64MiB; 0: a "
              "quarter of the memory limit");
DEFINE_int32(splice_pipes, -1,
             "pipes at once for bulk streams, shared out to the loops and "
             "rounded up, each of two descriptors that connections then lack; "
             "-1: one for 32 descriptors, up to 1024; 0: none, all is copied");

DEFINE_string(admin, "127.0.0.1:9464",
              "where the status page, /metrics, probes and commands are "
              "served: IP:PORT, PORT on 127.0.0.1, or a unix socket of mode "
              "0600, /path or unix:path; off: nowhere. The default moves to a "
              "free port when taken");
DEFINE_string(probes, "",
              "a second address, IP:PORT, for a kubelet or a scraper: only "
              "/startup, /ready, /live and /metrics, only to read");
DEFINE_string(resolvers, "",
              "DNS servers instead of those of /etc/resolv.conf: "
              "ADDRESS[:PORT],...");
DEFINE_string(ports_file, "",
              "a file to write NAME ADDRESS PORT to, a line for each listening "
              "socket, once all listen");
DEFINE_int32(
    ready_fd, -1,
    "an inherited descriptor that gets one line and is closed when all "
    "listen; -1: none");

DEFINE_string(drain_delay, "0s",
              "after SIGTERM keep accepting this long, while /ready says 503");
DEFINE_string(drain_idle, "10s",
              "a connection without a byte for this long is told to end");
DEFINE_string(drain_spread, "5s",
              "spread the ends of idle connections over this time");
DEFINE_string(drain_timeout, "25s",
              "what is left after this time since the signal is reset");

DEFINE_bool(verbose, false,
            "a line when a connection opens and one when it closes (-v)");
DEFINE_bool(quiet, false, "print errors only");

DEFINE_string(
    access_log, "",
    "a file, a FIFO, /dev/stdout or /dev/stderr that gets a line when "
    "a connection has ended; SIGUSR1 opens it again");
DEFINE_string(access_log_format, "json",
              "how lines are written: json (an object a line) or logfmt "
              "(key=value)");
DEFINE_bool(access_log_open, false, "a line when a connection is open, too");
DEFINE_string(access_log_every, "off",
              "a line as often for a connection that lasts, such as 60s; off: "
              "none");
DEFINE_string(access_log_buffer, "1MiB",
              "bytes of lines that wait for the file, of each loop; what finds "
              "no room is counted and dropped");
DEFINE_string(
    file_io, "polled",
    "how the loop hears that a write to the access log is over: "
    "polled (a timer asks), signal (a real-time signal; regular files "
    "only) or thread (a thread of the C library tells)");

DEFINE_bool(dial, false, "with check: connect to each target too");
DEFINE_bool(json, false, "with status: print GET /status as it is");
DEFINE_bool(wait, false, "with drain: until the process is gone");
DEFINE_string(timeout, "30s", "how long drain --wait and wait do so at most");

namespace weir {
namespace {

constexpr FlagInfo kFlags[] = {
    {"forwards_file", "FILE", "Forwards"},
    {"poller", "NAME", "Loops"},
    {"reactors", "N", "Loops"},
    {"affinity", "", "Loops"},
    {"accept", "NAME", "Loops"},
    {"shard", "NAME", "Loops"},
    {"stall_threshold", "TIME", "Loops"},
    {"allow_stall_injection", "", "Loops"},
    {"loop_metrics", "", "Loops"},
    {"max_connections", "N", "Limits"},
    {"buffer_memory", "SIZE", "Limits"},
    {"splice_pipes", "N", "Limits"},
    {"admin", "ADDRESS", "Surroundings"},
    {"probes", "ADDRESS", "Surroundings"},
    {"resolvers", "LIST", "Surroundings"},
    {"ports_file", "FILE", "Surroundings"},
    {"ready_fd", "N", "Surroundings"},
    {"drain_delay", "TIME", "Stopping"},
    {"drain_idle", "TIME", "Stopping"},
    {"drain_spread", "TIME", "Stopping"},
    {"drain_timeout", "TIME", "Stopping"},
    {"verbose", "", "Output"},
    {"quiet", "", "Output"},
    {"access_log", "FILE", "Access log"},
    {"access_log_format", "NAME", "Access log"},
    {"access_log_open", "", "Access log"},
    {"access_log_every", "TIME", "Access log"},
    {"access_log_buffer", "SIZE", "Access log"},
    {"file_io", "NAME", "Access log"},
    {"dial", "", "Commands", "check"},
    {"json", "", "Commands", "status"},
    {"wait", "", "Commands", "drain"},
    {"timeout", "TIME", "Commands", "drain wait"},
};

constexpr std::string_view kLaterFlags[] = {"dump", "dump_bytes",
                                            "live_timeout", "log_format"};

}  // namespace

absl::Span<const FlagInfo> WeirFlags() { return kFlags; }

const FlagInfo* FindFlag(std::string_view name) {
  std::string folded(name);
  std::replace(folded.begin(), folded.end(), '-', '_');
  for (const FlagInfo& flag : kFlags) {
    if (flag.name == folded) return &flag;
  }
  return nullptr;
}

std::vector<std::pair<std::string, std::string>> FlagValues() {
  std::vector<std::pair<std::string, std::string>> values;
  for (const FlagInfo& flag : kFlags) {
    if (!flag.commands.empty()) continue;  // not the proxy's
    const std::string name(flag.name);
    values.emplace_back(
        name, gflags::GetCommandLineFlagInfoOrDie(name.c_str()).current_value);
  }
  return values;
}

bool BelongsTo(const FlagInfo& flag, std::string_view command) {
  // (A word; none is a part of another.)
  return !command.empty() &&
         flag.commands.find(command) != std::string_view::npos;
}

absl::Span<const std::string_view> LaterFlags() { return kLaterFlags; }

}  // namespace weir
