#include "reactor/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace weir {
namespace {

constexpr size_t kNameOffset = offsetof(sockaddr_un, sun_path);

// Debian's absl::string_view is a type of its own.
absl::string_view ToAbsl(std::string_view text) {
  return {text.data(), text.size()};
}

absl::Status CheckUnixName(std::string_view name, std::string_view what) {
  if (name.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the ", ToAbsl(what), " of a unix socket is empty"));
  }
  if (name.size() > Address::kMaxUnixName) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the ", ToAbsl(what), " of a unix socket has at most ",
        Address::kMaxUnixName, " bytes, this one has ", name.size(), ": ",
        absl::Utf8SafeCHexEscape(ToAbsl(name))));
  }
  return absl::OkStatus();
}

// The number of an interface, or 0.
uint32_t ZoneIndex(const std::string& zone) {
  const uint32_t index = if_nametoindex(zone.c_str());
  if (index != 0) return index;
  uint32_t number = 0;
  return absl::SimpleAtoi(zone, &number) ? number : 0;
}

}  // namespace

Address::Address(sa_family_t family) {
  // All of it, padding too: equal addresses are equal bytes for the kernel.
  memset(&ip_, 0, sizeof(ip_));
  ip_.any.sa_family = family;
  if (family == AF_INET) size_ = sizeof(sockaddr_in);
  if (family == AF_INET6) size_ = sizeof(sockaddr_in6);
}

Address Address::FromSockaddr(const sockaddr* address, socklen_t size) {
  if (address == nullptr || size < sizeof(sa_family_t)) return Address();
  // Copied, for the memory need not be aligned or typed as what it holds.
  sockaddr_storage storage{};
  size = std::min<socklen_t>(size, sizeof(storage));
  memcpy(&storage, address, size);

  if (storage.ss_family == AF_INET && size >= sizeof(sockaddr_in)) {
    Address result(AF_INET);
    sockaddr_in v4;
    memcpy(&v4, &storage, sizeof(v4));
    result.ip_.v4.sin_port = v4.sin_port;
    result.ip_.v4.sin_addr = v4.sin_addr;
    return result;
  }
  if (storage.ss_family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    sockaddr_in6 v6;
    memcpy(&v6, &storage, sizeof(v6));
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
      Address result(AF_INET);
      result.ip_.v4.sin_port = v6.sin6_port;
      memcpy(&result.ip_.v4.sin_addr, &v6.sin6_addr.s6_addr[12],
             sizeof(result.ip_.v4.sin_addr));
      return result;
    }
    Address result(AF_INET6);
    result.ip_.v6.sin6_port = v6.sin6_port;
    result.ip_.v6.sin6_addr = v6.sin6_addr;
    result.ip_.v6.sin6_scope_id = v6.sin6_scope_id;
    return result;
  }
  if (storage.ss_family == AF_UNIX) {
    sockaddr_un un{};
    memcpy(&un, &storage, std::min<size_t>(size, sizeof(un)));
    std::string_view name(un.sun_path,
                          std::min<size_t>(size, sizeof(un)) - kNameOffset);
    // A path ends at its NUL; an abstract name begins with one and has the
    // length that the kernel says.
    if (!name.empty() && name[0] != '\0') {
      name = name.substr(0, name.find('\0'));
    }
    return UnixName(name);
  }
  return Address();
}

Address Address::Loopback(sa_family_t family, uint16_t port) {
  Address result(family);
  if (family == AF_INET) result.ip_.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (family == AF_INET6) result.ip_.v6.sin6_addr = in6addr_loopback;
  return result.WithPort(port);
}

Address Address::Any(sa_family_t family, uint16_t port) {
  return Address(family).WithPort(port);
}

absl::StatusOr<Address> Address::UnixPath(std::string_view path) {
  const absl::Status status = CheckUnixName(path, "path");
  if (!status.ok()) return status;
  if (path.find('\0') != path.npos) {
    return absl::InvalidArgumentError(
        "the path of a unix socket has a NUL byte in it");
  }
  return UnixName(path);
}

absl::StatusOr<Address> Address::UnixAbstract(std::string_view name) {
  const absl::Status status = CheckUnixName(name, "abstract name");
  if (!status.ok()) return status;
  std::string with_nul(1, '\0');
  with_nul.append(name);
  return UnixName(with_nul);
}

Address Address::UnixName(std::string_view name) {
  Address result(AF_UNIX);
  if (name.empty()) return result;
  const auto un = std::make_shared<sockaddr_un>();
  un->sun_family = AF_UNIX;
  name = name.substr(0, sizeof(un->sun_path));
  memcpy(un->sun_path, name.data(), name.size());
  // The NUL behind a path is counted, as the kernel does, where it has room.
  const size_t counted = name[0] == '\0'
                             ? name.size()
                             : std::min(name.size() + 1, sizeof(un->sun_path));
  result.size_ = static_cast<socklen_t>(kNameOffset + counted);
  result.unix_ = un;
  return result;
}

const sockaddr* Address::data() const {
  return unix_ != nullptr ? reinterpret_cast<const sockaddr*>(unix_.get())
                          : &ip_.any;
}

uint16_t Address::port() const {
  if (family() == AF_INET) return ntohs(ip_.v4.sin_port);
  if (family() == AF_INET6) return ntohs(ip_.v6.sin6_port);
  return 0;
}

Address Address::WithPort(uint16_t port) const {
  Address result = *this;
  if (family() == AF_INET) result.ip_.v4.sin_port = htons(port);
  if (family() == AF_INET6) result.ip_.v6.sin6_port = htons(port);
  return result;
}

bool Address::IsAny() const {
  if (family() == AF_INET) return ip_.v4.sin_addr.s_addr == INADDR_ANY;
  return family() == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&ip_.v6.sin6_addr);
}

std::string_view Address::unix_name() const {
  if (unix_ == nullptr) return {};
  std::string_view name(unix_->sun_path, size_ - kNameOffset);
  return name[0] == '\0' ? name : name.substr(0, name.find('\0'));
}

std::string_view Address::unix_path() const {
  const std::string_view name = unix_name();
  return name.empty() || name[0] == '\0' ? std::string_view() : name;
}

std::string_view Address::unix_abstract() const {
  const std::string_view name = unix_name();
  return name.empty() || name[0] != '\0' ? std::string_view() : name.substr(1);
}

std::string Address::ToString() const {
  if (family() == AF_INET) return absl::StrCat(HostText(), ":", port());
  if (family() == AF_INET6) return absl::StrCat("[", HostText(), "]:", port());
  return HostText();
}

std::string Address::HostText() const {
  char text[INET6_ADDRSTRLEN] = "";
  switch (family()) {
    case AF_INET:
      inet_ntop(AF_INET, &ip_.v4.sin_addr, text, sizeof(text));
      return text;
    case AF_INET6: {
      inet_ntop(AF_INET6, &ip_.v6.sin6_addr, text, sizeof(text));
      const uint32_t zone = ip_.v6.sin6_scope_id;
      if (zone == 0) return text;
      char name[IF_NAMESIZE];
      return if_indextoname(zone, name) != nullptr
                 ? absl::StrCat(text, "%", name)
                 : absl::StrCat(text, "%", zone);
    }
    case AF_UNIX: {
      const bool abstract = !unix_abstract().empty();
      return absl::StrCat("unix:", abstract ? "@" : "",
                          absl::Utf8SafeCHexEscape(ToAbsl(
                              abstract ? unix_abstract() : unix_path())));
    }
    default:
      return "none";
  }
}

bool operator==(const Address& a, const Address& b) {
  if (a.family() != b.family()) return false;
  switch (a.family()) {
    case AF_INET:
      return a.ip_.v4.sin_port == b.ip_.v4.sin_port &&
             a.ip_.v4.sin_addr.s_addr == b.ip_.v4.sin_addr.s_addr;
    case AF_INET6:
      return a.ip_.v6.sin6_port == b.ip_.v6.sin6_port &&
             a.ip_.v6.sin6_scope_id == b.ip_.v6.sin6_scope_id &&
             IN6_ARE_ADDR_EQUAL(&a.ip_.v6.sin6_addr, &b.ip_.v6.sin6_addr);
    default:
      return a.unix_name() == b.unix_name();
  }
}

absl::StatusOr<Address> ParseIpAddress(std::string_view text, uint16_t port) {
  const auto wrong = [text](std::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(
        absl::Utf8SafeCHexEscape(ToAbsl(text)), ": ", ToAbsl(what)));
  };
  const size_t percent = text.find('%');
  const std::string literal(text.substr(0, percent));
  // inet_pton reads a C string.
  const bool has_nul = literal.find('\0') != literal.npos;

  sockaddr_in v4{};
  if (!has_nul && inet_pton(AF_INET, literal.c_str(), &v4.sin_addr) == 1) {
    if (percent != text.npos) return wrong("an IPv4 address has no zone");
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    return Address::FromSockaddr(reinterpret_cast<const sockaddr*>(&v4),
                                 sizeof(v4));
  }

  sockaddr_in6 v6{};
  if (has_nul || inet_pton(AF_INET6, literal.c_str(), &v6.sin6_addr) != 1) {
    return wrong("not an IP address");
  }
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  const bool link_local = IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr) ||
                          IN6_IS_ADDR_MC_LINKLOCAL(&v6.sin6_addr);
  if (percent != text.npos) {
    if (!link_local) return wrong("only a link-local address has a zone");
    const std::string zone(text.substr(percent + 1));
    v6.sin6_scope_id = ZoneIndex(zone);
    if (v6.sin6_scope_id == 0) {
      return wrong("this machine has no such interface");
    }
  } else if (link_local) {
    return wrong("a link-local address needs its interface: " + literal +
                 "%eth0");
  }
  return Address::FromSockaddr(reinterpret_cast<const sockaddr*>(&v6),
                               sizeof(v6));
}

}  // namespace weir
