#include "proxy/config/settings.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gflags/gflags.h"
#include "proxy/config/accept_mode.h"
#include "proxy/config/access_format_kind.h"
#include "proxy/config/endpoint_parser.h"
#include "proxy/config/flags.h"
#include "proxy/config/host_parser.h"
#include "proxy/config/shard_policy_kind.h"
#include "proxy/config/spec_text.h"
#include "proxy/config/suggest.h"
#include "proxy/config/units.h"
#include "reactor/async_file/completion.h"
#include "reactor/clock.h"
#include "reactor/poller.h"

namespace weir {
namespace {

// Far beyond any machine's cores, and not yet a table too large to allocate.
constexpr int kMostReactors = 1024;
constexpr int kMostPipes = 1 << 16;

absl::Status Wrong(std::string_view flag, const std::string& value,
                   const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat(
      "--", std::string(flag), "=", Printable(value), ": ", Printable(why)));
}

// The first line of an error that has the spec and a caret below.
std::string FirstLine(const absl::Status& status) {
  const std::string message(status.message());
  return message.substr(0, message.find('\n'));
}

absl::Status ReadNumber(std::string_view flag, int32_t value, int least,
                        int most, int* result) {
  if (value < least || value > most) {
    return Wrong(flag, absl::StrCat(value),
                 absl::StrCat("must be from ", least, " to ", most));
  }
  *result = value;
  return absl::OkStatus();
}

absl::Status ReadTime(std::string_view flag, const std::string& value,
                      Duration least, Duration* result) {
  const absl::StatusOr<Duration> time = ParseDuration(value);
  if (!time.ok()) return Wrong(flag, value, FirstLine(time.status()));
  if (*time < least) {
    return Wrong(flag, value,
                 absl::StrCat("must be at least ", FormatDuration(least)));
  }
  *result = *time;
  return absl::OkStatus();
}

absl::Status ReadPoller(PollerKind* poller) {
  const absl::StatusOr<PollerKind> kind = ParsePollerKind(FLAGS_poller);
  if (!kind.ok()) {
    return Wrong("poller", FLAGS_poller, std::string(kind.status().message()));
  }
  *poller = *kind;
  return absl::OkStatus();
}

// One of `names`, which are in the order of T's values.
template <typename T, size_t count>
absl::Status ReadName(std::string_view flag, const std::string& value,
                      const std::array<std::string_view, count>& names,
                      const char* must_be, T* result) {
  const auto name = std::find(names.begin(), names.end(), value);
  if (name == names.end()) {
    return Wrong(flag, value,
                 absl::StrCat("must be ", must_be, DidYouMean(value, names)));
  }
  *result = static_cast<T>(name - names.begin());
  return absl::OkStatus();
}

// What of the policy does not go with the other flags.
absl::Status CheckShard(const Settings& settings) {
  if (settings.shard == ShardPolicy::kLag && !settings.loop_metrics) {
    return Wrong("shard", FLAGS_shard,
                 "goes by the lag of the loops, which --noloop_metrics does "
                 "not measure; take one of the two away");
  }
  if (settings.shard == ShardPolicy::kLocal &&
      settings.accept == AcceptMode::kDedicated) {
    return Wrong("shard", FLAGS_shard,
                 "with --accept=dedicated the loop that accepts serves no "
                 "connections; take least");
  }
  return absl::OkStatus();
}

// The place of one socket for HTTP.
absl::Status ReadPlace(std::string_view flag, const std::string& text,
                       std::optional<ListenSpec>* result) {
  // Both families take two sockets, which such a port has not.
  for (const std::string_view any : {":", "*:", "any:"}) {
    if (text.compare(0, any.size(), any) != 0) continue;
    const std::string port = text.substr(any.size());
    if (port.find(':') != std::string::npos) break;
    return Wrong(flag, text,
                 absl::StrCat("must be one address, such as 0.0.0.0:", port,
                              " or [::]:", port));
  }
  const SpecText spec(text);
  const absl::StatusOr<ListenSpec> listen =
      EndpointParser(spec).Listen(spec.text());
  if (!listen.ok()) return Wrong(flag, text, FirstLine(listen.status()));
  ListenSpec place = *listen;
  switch (place.kind) {
    case ListenSpec::Kind::kUnix:
      *result = place;
      return absl::OkStatus();
    case ListenSpec::Kind::kAny:  // refused above
    case ListenSpec::Kind::kLoopback:
      // One address is enough for what people and scrapers dial by hand.
      place.kind = ListenSpec::Kind::kHostPort;
      place.host = "127.0.0.1";
      break;
    case ListenSpec::Kind::kHostPort:
      break;
  }
  const SpecText host(place.host);
  const absl::Status is_address =
      HostParser(host).Address(host.text()).status();
  if (!is_address.ok()) return Wrong(flag, text, FirstLine(is_address));
  *result = place;
  return absl::OkStatus();
}

absl::Status ReadAdmin(std::optional<ListenSpec>* admin) {
  const std::string& text = FLAGS_admin;
  if (text.empty() || text == "off") return absl::OkStatus();
  const absl::Status status = ReadPlace("admin", text, admin);
  if (!status.ok()) return status;
  if ((*admin)->kind == ListenSpec::Kind::kUnix &&
      (*admin)->path.starts_with('@')) {
    return Wrong("admin", text,
                 "an abstract socket has no mode that keeps others out; give "
                 "a path");
  }
  return absl::OkStatus();
}

absl::Status ReadProbes(std::optional<ListenSpec>* probes) {
  const std::string& text = FLAGS_probes;
  if (text.empty() || text == "off") return absl::OkStatus();
  const absl::Status status = ReadPlace("probes", text, probes);
  if (!status.ok()) return status;
  if ((*probes)->kind == ListenSpec::Kind::kUnix) {
    return Wrong("probes", text, "must be an address; --admin takes a path");
  }
  return absl::OkStatus();
}

absl::Status ReadResolver(const SpecText& spec, std::string_view item,
                          std::string* resolvers) {
  const HostParser parser(spec);
  const size_t colon = item.find(':');
  const bool has_port =
      item.substr(0, 1) == "["
          ? item.find("]:") != std::string_view::npos
          : colon != std::string_view::npos && colon == item.rfind(':');
  HostPort server{"", 53};
  if (has_port) {
    const absl::StatusOr<HostPort> parsed = parser.HostAndPort(item);
    if (!parsed.ok()) return parsed.status();
    server = *parsed;
    if (server.port == 0) return spec.Error(item, "port 0 cannot be asked");
  }
  const absl::StatusOr<std::string> address =
      parser.Address(has_port ? item.substr(0, item.rfind(':')) : item);
  if (!address.ok()) return address.status();
  const bool ip6 = address->find(':') != std::string::npos;
  absl::StrAppend(resolvers, resolvers->empty() ? "" : ",", ip6 ? "[" : "",
                  *address, ip6 ? "]:" : ":", server.port);
  return absl::OkStatus();
}

absl::Status ReadResolvers(std::string* resolvers) {
  if (FLAGS_resolvers.empty()) return absl::OkStatus();
  const SpecText spec(FLAGS_resolvers);
  std::string_view rest = spec.text();
  for (bool more = true; more;) {
    const size_t comma = std::min(rest.find(','), rest.size());
    more = comma < rest.size();
    const absl::Status status =
        ReadResolver(spec, rest.substr(0, comma), resolvers);
    if (!status.ok()) {
      return Wrong("resolvers", FLAGS_resolvers, FirstLine(status));
    }
    rest.remove_prefix(comma + (more ? 1 : 0));
  }
  return absl::OkStatus();
}

absl::Status ReadReadyFd(int* fd) {
  const absl::Status status =
      ReadNumber("ready_fd", FLAGS_ready_fd, -1, INT32_MAX, fd);
  if (!status.ok()) return status;
  // Asked now, before a descriptor of our own has that number.
  if (*fd >= 0 && fcntl(*fd, F_GETFD) < 0) {
    return Wrong("ready_fd", absl::StrCat(*fd), "no such open descriptor");
  }
  return absl::OkStatus();
}

absl::Status ReadDrain(DrainTimes* drain) {
  absl::Status status = ReadTime("drain_delay", FLAGS_drain_delay,
                                 Duration::zero(), &drain->delay);
  if (!status.ok()) return status;
  status = ReadTime("drain_idle", FLAGS_drain_idle,
                    std::chrono::milliseconds(1), &drain->idle);
  if (!status.ok()) return status;
  status = ReadTime("drain_spread", FLAGS_drain_spread, Duration::zero(),
                    &drain->spread);
  if (!status.ok()) return status;
  status = ReadTime("drain_timeout", FLAGS_drain_timeout,
                    std::chrono::milliseconds(1), &drain->timeout);
  if (!status.ok()) return status;
  if (drain->delay >= drain->timeout) {
    return Wrong("drain_delay", FLAGS_drain_delay,
                 absl::StrCat("must be shorter than --drain_timeout=",
                              FormatDuration(drain->timeout)));
  }
  return absl::OkStatus();
}

// Lines of 8 KiB must find room, and nobody takes more memory than this for
// lines by intent.
constexpr int64_t kLeastLogBuffer = 64 * 1024;
constexpr int64_t kMostLogBuffer = int64_t{1} << 30;

absl::Status ReadLogEvery(Duration* every) {
  const std::string& text = FLAGS_access_log_every;
  if (text == "off") return absl::OkStatus();
  const absl::StatusOr<Duration> time = ParseDuration(text);
  if (!time.ok() || *time < std::chrono::seconds(1)) {
    return Wrong("access_log_every", text, "must be off, or at least 1s");
  }
  *every = *time;
  return absl::OkStatus();
}

absl::Status ReadLogBuffer(int64_t* bytes) {
  const std::string& text = FLAGS_access_log_buffer;
  const absl::StatusOr<int64_t> size = ParseSize(text);
  if (!size.ok()) {
    return Wrong("access_log_buffer", text, FirstLine(size.status()));
  }
  if (*size < kLeastLogBuffer || *size > kMostLogBuffer) {
    return Wrong("access_log_buffer", text,
                 absl::StrCat("must be from ", FormatSize(kLeastLogBuffer),
                              " to ", FormatSize(kMostLogBuffer)));
  }
  *bytes = *size;
  return absl::OkStatus();
}

absl::Status ReadAccessLog(AccessLogSettings* log) {
  log->file = FLAGS_access_log;
  log->open_lines = FLAGS_access_log_open;
  for (const absl::Status& status :
       {ReadName("access_log_format", FLAGS_access_log_format,
                 kAccessFormatNames, "json or logfmt", &log->format),
        ReadName("file_io", FLAGS_file_io, kAioCompletionNames,
                 "polled, signal or thread", &log->file_io),
        ReadLogEvery(&log->every), ReadLogBuffer(&log->buffer)}) {
    if (!status.ok()) return status;
  }
  if (!log->file.empty()) return absl::OkStatus();
  for (const char* const flag :
       {"access_log_format", "access_log_open", "access_log_every",
        "access_log_buffer", "file_io"}) {
    const auto info = gflags::GetCommandLineFlagInfoOrDie(flag);
    if (!info.is_default) {
      return Wrong(flag, info.current_value,
                   "is about the access log; name its file with "
                   "--access_log=FILE");
    }
  }
  return absl::OkStatus();
}

absl::Status ReadBufferMemory(int64_t* bytes) {
  const absl::StatusOr<int64_t> size = ParseSize(FLAGS_buffer_memory);
  if (!size.ok()) {
    return Wrong("buffer_memory", FLAGS_buffer_memory,
                 FirstLine(size.status()));
  }
  *bytes = *size;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::optional<ListenSpec>> AdminFromFlag() {
  std::optional<ListenSpec> admin;
  const absl::Status status = ReadAdmin(&admin);
  if (!status.ok()) return status;
  return admin;
}

bool AdminIsDefault() {
  return gflags::GetCommandLineFlagInfoOrDie("admin").is_default;
}

absl::StatusOr<Settings> SettingsFromFlags() {
  Settings settings;
  for (const absl::Status& status :
       {ReadPoller(&settings.poller),
        ReadNumber("reactors", FLAGS_reactors, 0, kMostReactors,
                   &settings.reactors),
        ReadName("accept", FLAGS_accept, kAcceptModeNames,
                 "shared, reuseport or dedicated", &settings.accept),
        ReadName("shard", FLAGS_shard, kShardPolicyNames,
                 "least, round_robin, lag or local", &settings.shard),
        ReadNumber("max_connections", FLAGS_max_connections, 0, INT32_MAX,
                   &settings.max_connections),
        ReadNumber("splice_pipes", FLAGS_splice_pipes, -1, kMostPipes,
                   &settings.splice_pipes),
        ReadTime("stall_threshold", FLAGS_stall_threshold,
                 std::chrono::milliseconds(1), &settings.stall_threshold),
        ReadBufferMemory(&settings.buffer_memory), ReadAdmin(&settings.admin),
        ReadProbes(&settings.probes), ReadResolvers(&settings.resolvers),
        ReadReadyFd(&settings.ready_fd), ReadDrain(&settings.drain),
        ReadAccessLog(&settings.access_log)}) {
    if (!status.ok()) return status;
  }
  settings.admin_is_default = AdminIsDefault();
  settings.pin_reactors = FLAGS_affinity;
  settings.allow_stall_injection = FLAGS_allow_stall_injection;
  settings.loop_metrics = FLAGS_loop_metrics;
  if (absl::Status fits = CheckShard(settings); !fits.ok()) return fits;
  settings.ports_file = FLAGS_ports_file;
  settings.verbose = FLAGS_verbose;
  settings.quiet = FLAGS_quiet;
  if (settings.verbose && settings.quiet) {
    return absl::InvalidArgumentError(
        "--verbose and --quiet cannot go together");
  }
  return settings;
}

}  // namespace weir
