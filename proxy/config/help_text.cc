#include "proxy/config/help_text.h"

#include <cstddef>
#include <sstream>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "gflags/gflags.h"
#include "proxy/config/flags.h"
#include "proxy/config/version.h"

namespace weir {
namespace {

constexpr size_t kWidth = 80;
constexpr size_t kColumn = 27;  // where descriptions of flags start

constexpr char kBeforeFlags[] =
    R"(weir forwards TCP ports and unix sockets.

  weir [FLAG]... FORWARD...         forward until told to stop
  weir check [--dial] FORWARD...    try to listen and log; --dial: connect too
  weir demo [FLAG]...               an echo server, a forward, traffic, numbers
  weir help | --help | --version

About a weir that runs, found by itself when there is one (else --admin=ADDRESS)
  weir status [--json]              its loops and forwards over one second
  weir top                          the same, live, with its connections
  weir drain [--wait]               as SIGTERM does; --wait: until it is gone
  weir kill ID                      close a connection
  weir wait [--timeout=30s]         until it is ready

Examples
  weir 5432=db:5432                 this machine's 5432 -> db:5432
  weir 5432:db:5432                 the same, as for ssh -L
  weir any:8080=3000                every interface's 8080 -> 127.0.0.1:3000
  weir pg@5432=db:5432 web@8080=app:80+connect:2s+idle:10m
  weir [::1]:8080=[2001:db8::5]:80
  weir 127.0.0.1:2375=/var/run/docker.sock
  weir 0=db:5432 --ports_file=/run/weir.ports
  weir --forwards_file=/etc/weir/forwards
  WEIR_FORWARDS="pg@5432=db:5432 web@8080=app:80" weir

FORWARD is [NAME@]LISTEN=TARGET[+KEY:VALUE]... or [BIND:]PORT:HOST:PORT
  NAME    label in lines and metrics: a-z, then a-z 0-9 _ -; default: p5432
  LISTEN  PORT            127.0.0.1 and [::1]
          HOST:PORT       or [IPV6]:PORT
          any:PORT        every interface, IPv4 and IPv6
          /path ./path unix:path unix:@abstract
  TARGET  HOST:PORT [IPV6]:PORT, PORT (on this machine), or a unix socket
  PORT    0 to listen on: the kernel picks one, and the start-up lines name it
  In a path , + = @ ^ and % are written %2C %2B %3D %40 %5E and %25.

Keys (times in ms, s, m or h: 250ms, 1.5s)
  connect:5s        give up connecting after this time, all addresses together
  idle:off          end a connection without a byte for this time
  life:off          end a connection after this time
  halfclose:60s     end a half-closed connection without progress for this time
  keepalive:60s     probe a silent peer after this time, or off
  nodelay:on        send small packets at once, or off
  user-timeout:off  reset a peer that acknowledges nothing for this time, and at
                    any value also one that is alive and does not read
  defer:off         take a client when it has sent something, or after this time
                    (whole seconds); not where the server speaks first
  fastopen:off      take bytes that come with a client's SYN
  rcvbuf:0 sndbuf:0 buffer of each socket: 256KiB, 4MiB; 0: the kernel tunes it
  splice:auto       or on, off: let the kernel move bytes through a pipe; auto:
                    of streams that are bulk
  nodelay, fastopen and splice without a value mean on
)";

constexpr char kAfterFlags[] = R"(
A flag may also be a variable, WEIR_REACTORS=2, or a line --reactors=2 of a file
that --flagfile=FILE names (# starts a comment). The command line wins over
variables, variables over files. WEIR_FORWARDS counts when neither a FORWARD nor
a file of them is given.

Signals
  SIGTERM, SIGINT   drain: /ready says 503, listeners close, idle connections
                    are told to end, active ones run on; a second one stops now
  SIGUSR1           the access log is opened again

Exit codes
  0  drained, or all was well     1  cannot listen, or another failure
  2  wrong usage                  128+N  stopped by a second signal N
  status: 0 when it is ready, 1 when it is not or cannot be reached

On the admin address
  /                   a page for browsers: lag, stalls, traffic, connections
  /metrics            for Prometheus
  /startup            200 once all listeners are open
  /ready              200 until a drain begins
  /live               200 while loops turn
  /status             what it is and does, with every metric, as JSON
  /config             flags and forwards
  /debug/reactors     what each loop does now, and its last stalls
  /debug/connections  all of them: ?forward=NAME ?limit=N
  POST /drain                 as a signal does
  POST /log_level             ?level=error, warning, info or verbose
  POST /connections/ID/close  resets both ends
  POST /debug/stall           ?reactor=0&ms=300&how=cpu, or blocked; and
                              &connection=ID: on its behalf
)";

// `text` in lines that end before kWidth, all but the first indented.
std::string Wrap(const std::string& text, size_t indent) {
  std::istringstream words(text);
  std::string wrapped;
  std::string word;
  size_t column = indent;
  while (words >> word) {
    const bool first = wrapped.empty();
    if (!first && column + 1 + word.size() > kWidth) {
      absl::StrAppend(&wrapped, "\n", std::string(indent, ' '), word);
      column = indent + word.size();
    } else {
      absl::StrAppend(&wrapped, first ? "" : " ", word);
      column += word.size() + (first ? 0 : 1);
    }
  }
  return wrapped;
}

std::string FlagLines() {
  std::string text;
  std::string_view group;
  for (const FlagInfo& flag : WeirFlags()) {
    if (flag.group != group) {
      group = flag.group;
      absl::StrAppend(&text, "\n", std::string(group), "\n");
    }
    const gflags::CommandLineFlagInfo info =
        gflags::GetCommandLineFlagInfoOrDie(std::string(flag.name).c_str());
    std::string line = absl::StrCat("  --", std::string(flag.name));
    if (!flag.value.empty()) {
      absl::StrAppend(&line, "=", std::string(flag.value));
    }
    line.resize(line.size() < kColumn ? kColumn : line.size() + 1, ' ');
    std::string description = info.description;
    if (!flag.value.empty() && !info.default_value.empty()) {
      absl::StrAppend(&description, " [", info.default_value, "]");
    }
    absl::StrAppend(&text, line, Wrap(description, kColumn), "\n");
  }
  return text;
}

}  // namespace

std::string HelpText() {
  return absl::StrCat(kBeforeFlags, FlagLines(), kAfterFlags);
}

std::string VersionText() {
  return absl::StrCat("weir ", std::string(kVersion), "\n");
}

std::string ShortUsage() {
  return "nothing to forward; weir --help tells all. The commonest:\n"
         "  weir 5432=db:5432          this machine's 5432 -> db:5432\n"
         "  weir any:8080=3000         every interface's 8080 -> "
         "127.0.0.1:3000\n"
         "  weir demo                  see it work";
}

}  // namespace weir
