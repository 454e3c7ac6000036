#include "proxy/config/endpoint_parser.h"

#include <sys/un.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "proxy/config/forward_spec.h"
#include "proxy/config/host_parser.h"
#include "proxy/config/spec_text.h"

namespace weir {
namespace {

// A path in sun_path ends with a zero byte; an abstract name starts with one,
// for which our '@' stands, and needs no end.
constexpr size_t kLongestPath = sizeof(sockaddr_un::sun_path) - 1;
constexpr size_t kLongestAbstract = sizeof(sockaddr_un::sun_path);

int HexDigit(char c) {
  if (absl::ascii_isdigit(c)) return c - '0';
  const char lower = absl::ascii_tolower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

bool LooksLikeUnix(std::string_view text) {
  return StartsWith(text, "/") || StartsWith(text, "./") ||
         StartsWith(text, "unix:");
}

absl::StatusOr<ListenSpec> EndpointParser::Listen(std::string_view text) const {
  ListenSpec listen;
  if (text.empty()) {
    return spec_.Error(text, "where to listen is missing: PORT=TARGET");
  }
  if (LooksLikeUnix(text)) {
    listen.kind = ListenSpec::Kind::kUnix;
    absl::StatusOr<std::string> path = UnixPath(text);
    if (!path.ok()) return path.status();
    listen.path = *path;
    return listen;
  }
  for (const std::string_view later : {"systemd:", "fd:", "orig:"}) {
    if (StartsWith(text, later)) {
      return spec_.Error(text,
                         absl::StrCat(Quote(later), " is not supported yet"));
    }
  }
  std::string_view port = text;
  if (StartsWith(text, "any:")) {
    listen.kind = ListenSpec::Kind::kAny;
    port.remove_prefix(4);
  } else if (StartsWith(text, "localhost:")) {
    // Not left to the resolver: both loopback addresses are what is meant.
    port.remove_prefix(10);
  } else if (text.find(':') == std::string_view::npos && text[0] != '[') {
    if (!LooksLikePort(text)) {
      return spec_.Error(text, absl::StrCat(Quote(text),
                                            " is not a place to listen on: "
                                            "write PORT or HOST:PORT"));
    }
  } else {
    if (StartsWith(text, "*:") ||
        (text[0] == ':' && LooksLikePort(text.substr(1)))) {
      const std::string number(text.substr(text.find(':') + 1));
      return spec_.Error(text,
                         absl::StrCat("every interface is written any:", number,
                                      ", this machine alone just ", number));
    }
    absl::StatusOr<HostPort> host_port = hosts_.HostAndPort(text);
    if (!host_port.ok()) return host_port.status();
    listen.kind = ListenSpec::Kind::kHostPort;
    listen.host = host_port->host;
    listen.port = host_port->port;
    return listen;
  }
  absl::StatusOr<uint16_t> number = hosts_.Port(port);
  if (!number.ok()) return number.status();
  listen.port = *number;
  return listen;
}

absl::StatusOr<TargetSpec> EndpointParser::Target(std::string_view text) const {
  TargetSpec target;
  if (text.empty()) {
    return spec_.Error(text, "where to connect is missing: LISTEN=HOST:PORT");
  }
  if (const size_t comma = text.find(','); comma != std::string_view::npos) {
    return spec_.Error(text.substr(comma),
                       "several targets are not supported yet; in a path ',' "
                       "is written %2C");
  }
  if (const size_t hat = text.find('^'); hat != std::string_view::npos) {
    return spec_.Error(text.substr(hat),
                       "weights (^) are not supported yet; in a path '^' is "
                       "written %5E");
  }
  if (StartsWith(text, "srv:") || text == "dst") {
    return spec_.Error(
        text, absl::StrCat(Quote(text == "dst" ? text : text.substr(0, 4)),
                           " is not supported yet"));
  }
  target.text = std::string(text);
  if (LooksLikeUnix(text)) {
    target.kind = TargetSpec::Kind::kUnix;
    absl::StatusOr<std::string> path = UnixPath(text);
    if (!path.ok()) return path.status();
    target.path = *path;
    return target;
  }
  std::string_view port = text;
  if (LooksLikePort(text)) {
    absl::StatusOr<uint16_t> number = hosts_.Port(text);
    if (!number.ok()) return number.status();
    target.host = "127.0.0.1";
    target.port = *number;
    target.text = absl::StrCat("127.0.0.1:", target.port);
  } else {
    if (StartsWith(text, "any:") || StartsWith(text, "*:")) {
      return spec_.Error(text,
                         "a target is one host; 'any' is for listening only");
    }
    absl::StatusOr<HostPort> host_port = hosts_.HostAndPort(text);
    if (!host_port.ok()) return host_port.status();
    target.host = host_port->host;
    target.port = host_port->port;
    port = text.substr(text.rfind(':') + 1);
  }
  if (target.port == 0) {
    return spec_.Error(port,
                       "port 0 is for listening only: a target needs "
                       "its real port");
  }
  return target;
}

absl::StatusOr<std::string> EndpointParser::UnixPath(
    std::string_view text) const {
  const std::string_view raw =
      StartsWith(text, "unix:") ? text.substr(5) : text;
  const bool abstract = StartsWith(raw, "@");
  const size_t longest = abstract ? kLongestAbstract : kLongestPath;
  std::string path = abstract ? "@" : "";
  for (size_t i = path.size(); i < raw.size();) {
    char c = raw[i];
    size_t length = 1;
    if (c == '@') {
      return spec_.Error(raw.substr(i), "in a path '@' is written %40");
    }
    if (c == '%') {
      length = 3;
      const int high = i + 2 < raw.size() ? HexDigit(raw[i + 1]) : -1;
      const int low = i + 2 < raw.size() ? HexDigit(raw[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return spec_.Error(raw.substr(i),
                           "two hexadecimal digits must follow '%'; '%' itself "
                           "is written %25");
      }
      c = static_cast<char>(high * 16 + low);
    }
    if (c == '\0') {
      return spec_.Error(raw.substr(i), "a path cannot hold a zero byte");
    }
    if (path.size() == longest) {
      return spec_.Error(raw.substr(i),
                         absl::StrCat("a unix socket's path has at most ",
                                      longest, " bytes: too long from here"));
    }
    path += c;
    i += length;
  }
  if (path.empty() || path == "@") {
    return spec_.Error(raw.substr(path.size()), "the path is missing");
  }
  if (!abstract && path.back() == '/') {
    return spec_.Error(raw, "a directory, not a socket: a name must follow");
  }
  // Only our '@' means an abstract name, not one that was written %40.
  if (!abstract && path[0] == '@') path.insert(0, "./");
  return path;
}

}  // namespace weir
