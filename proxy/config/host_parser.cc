#include "proxy/config/host_parser.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "proxy/config/spec_text.h"

namespace weir {
namespace {

constexpr size_t kLongestHost = 253;
constexpr size_t kLongestLabel = 63;

// inet_pton, for text that may hold a zero byte.
bool IsAddress(int family, std::string_view text, void* address) {
  return text.find('\0') == std::string_view::npos &&
         inet_pton(family, std::string(text).c_str(), address) == 1;
}

bool IsIp4(std::string_view text) {
  in_addr address;
  return IsAddress(AF_INET, text, &address);
}

bool IsIp6(std::string_view text) {
  in6_addr address;
  return IsAddress(AF_INET6, text, &address);
}

bool IsLinkLocal(std::string_view text) {
  in6_addr address;
  return IsAddress(AF_INET6, text, &address) && IN6_IS_ADDR_LINKLOCAL(&address);
}

}  // namespace

bool StartsWith(std::string_view text, std::string_view beginning) {
  return text.substr(0, beginning.size()) == beginning;
}

bool IsNumber(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isdigit(c);
  });
}

bool LooksLikePort(std::string_view text) {
  return !text.empty() && absl::ascii_isdigit(text[0]) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isdigit(c) || c == '-'; });
}

absl::StatusOr<HostPort> HostParser::HostAndPort(std::string_view text) const {
  std::string_view host = text;
  std::string_view rest;  // from the ':' on
  const bool bracketed = !text.empty() && text[0] == '[';
  if (bracketed) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) {
      return spec_.Error(text, "'[' without ']'");
    }
    host = text.substr(1, close - 1);
    rest = text.substr(close + 1);
    if (!rest.empty() && rest[0] != ':') {
      return spec_.Error(rest, "':' and a port must follow the ']'");
    }
  } else {
    const size_t colon = text.find(':');
    if (colon != text.rfind(':')) return TooManyColons(text);
    host = text.substr(0, colon);
    rest = text.substr(host.size());
  }
  absl::StatusOr<std::string> parsed = bracketed ? Ip6(host) : Host(host);
  if (!parsed.ok()) return parsed.status();
  if (rest.empty()) {
    return spec_.Error(
        rest,
        absl::StrCat("the port is missing: ", std::string(text), ":PORT"));
  }
  absl::StatusOr<uint16_t> port = Port(rest.substr(1));
  if (!port.ok()) return port.status();
  return HostPort{*parsed, *port};
}

absl::StatusOr<std::string> HostParser::Address(std::string_view text) const {
  if (!text.empty() && text[0] == '[') {
    if (text.back() != ']') return spec_.Error(text, "'[' without ']'");
    return Ip6(text.substr(1, text.size() - 2));
  }
  if (text.find(':') != std::string_view::npos) return Ip6(text);
  if (IsIp4(text)) return std::string(text);
  return spec_.Error(text, absl::StrCat(Quote(text), " is not an address"));
}

// "::1:80" may be an address without a port or one with it: the second is what
// people mean.
absl::Status HostParser::TooManyColons(std::string_view text) const {
  const size_t last = text.rfind(':');
  const std::string_view address = text.substr(0, last);
  const auto plain = [](std::string_view a) {
    return a.substr(0, a.find('%'));
  };
  std::string fixed;
  if (IsIp6(plain(address)) && IsNumber(text.substr(last + 1))) {
    fixed = absl::StrCat("[", std::string(address), "]",
                         std::string(text.substr(last)));
  } else if (IsIp6(plain(text))) {
    fixed = absl::StrCat("[", std::string(text), "]:PORT");
  } else {
    return spec_.Error(text.substr(text.find(':', text.find(':') + 1)),
                       "one ':' too many: write HOST:PORT, and an IPv6 address "
                       "in brackets");
  }
  return spec_.Error(
      text, absl::StrCat("IPv6 addresses need brackets: ",
                         std::string(spec_.Before(text)), fixed,
                         std::string(spec_.After(text).substr(text.size()))));
}

absl::StatusOr<uint16_t> HostParser::Port(std::string_view text) const {
  if (text.empty()) return spec_.Error(text, "the port is missing");
  if (!IsNumber(text)) {
    if (LooksLikePort(text)) {
      return spec_.Error(text, "ranges of ports are not supported yet");
    }
    return spec_.Error(text,
                       absl::StrCat(Quote(text), " is not a port number"));
  }
  uint32_t number = 0;
  for (const char c : text) {
    number = number * 10 + static_cast<uint32_t>(c - '0');
    if (number > UINT16_MAX) {
      return spec_.Error(text, absl::StrCat("port ", std::string(text),
                                            " is too big: the last is 65535"));
    }
  }
  return static_cast<uint16_t>(number);
}

absl::StatusOr<std::string> HostParser::Ip6(std::string_view text) const {
  const size_t percent = text.find('%');
  const std::string_view address = text.substr(0, percent);
  if (!IsIp6(address)) {
    if (IsIp4(text)) {
      return spec_.Error(text, "brackets are for IPv6 addresses only");
    }
    return spec_.Error(text,
                       absl::StrCat(Quote(address), " is not an IPv6 address"));
  }
  if (percent == std::string_view::npos) {
    if (IsLinkLocal(address)) {
      return spec_.Error(text.substr(text.size()),
                         absl::StrCat("a link-local address needs its "
                                      "interface: [",
                                      std::string(text), "%eth0]"));
    }
    return std::string(text);
  }
  const std::string_view zone = text.substr(percent + 1);
  const bool valid =
      !zone.empty() && zone.size() < IFNAMSIZ &&
      std::all_of(zone.begin(), zone.end(), [](char c) {
        return absl::ascii_isgraph(c) && c != '/' && c != ':' && c != '%';
      });
  if (!valid) {
    return spec_.Error(zone,
                       absl::StrCat(Quote(zone), " is not an interface name"));
  }
  if (!IsLinkLocal(address)) {
    return spec_.Error(text.substr(percent),
                       "only link-local addresses (fe80::) take an interface");
  }
  return std::string(text);
}

absl::StatusOr<std::string> HostParser::Host(std::string_view text) const {
  if (text.empty()) return spec_.Error(text, "the host is missing: HOST:PORT");
  if (IsIp4(text)) return std::string(text);
  const auto odd = std::find_if(text.begin(), text.end(), [](char c) {
    return !absl::ascii_isalnum(c) && c != '.' && c != '-' && c != '_';
  });
  if (odd != text.end()) {
    const auto at = static_cast<size_t>(odd - text.begin());
    // A whole character, should it be one of several bytes.
    size_t length = 1;
    while (at + length < text.size() &&
           (static_cast<unsigned char>(text[at + length]) & 0xC0) == 0x80) {
      ++length;
    }
    return spec_.Error(text.substr(at),
                       absl::StrCat(Quote(text.substr(at, length)),
                                    " cannot be part of a host name"));
  }
  // What is all digits and points would reach resolvers that read "1.2" as
  // 1.0.0.2.
  const bool has_letter = std::any_of(text.begin(), text.end(), [](char c) {
    return !absl::ascii_isdigit(c) && c != '.';
  });
  if (!has_letter) {
    return spec_.Error(text,
                       absl::StrCat(Quote(text), " is not an IPv4 address"));
  }
  const std::string_view name =
      text.back() == '.' ? text.substr(0, text.size() - 1) : text;
  if (name.size() > kLongestHost) {
    return spec_.Error(text, "a host name has at most 253 characters");
  }
  for (size_t start = 0; start <= name.size();) {
    const std::string_view label =
        name.substr(start, name.substr(start).find('.'));
    if (label.empty() || label.size() > kLongestLabel || label[0] == '-' ||
        label.back() == '-') {
      return spec_.Error(
          text.substr(start),
          "the parts of a host name have 1 to 63 characters, '-' neither "
          "first nor last");
    }
    start += label.size() + 1;
  }
  return std::string(text);
}

}  // namespace weir
