// Public. The address of a stream socket: IPv4, IPv6 or unix.

#ifndef REACTOR_ADDRESS_H_
#define REACTOR_ADDRESS_H_

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace weir {

// A value. Immutable but for assignment, so as thread-safe as an int. 48 bytes:
// the long name of a unix socket is shared by the copies of its address.
class Address {
 public:
  // The longest path, or abstract name, of a unix socket.
  static constexpr size_t kMaxUnixName = sizeof(sockaddr_un::sun_path) - 1;

  // Of no family (AF_UNSPEC).
  Address() : Address(AF_UNSPEC) {}

  // What accept4(2), getsockname(2) and the like return. An IPv4 address in
  // IPv6's clothes (::ffff:1.2.3.4) becomes the IPv4 address that it is, for
  // logs, limits and headers must not see one client as two (N01). A family
  // that is not one of ours gives an address of no family. Allocates only for a
  // unix socket that has a name, which the connecting side has not as a rule.
  static Address FromSockaddr(const sockaddr* address, socklen_t size);

  // 127.0.0.1 or [::1]; 0.0.0.0 or [::].
  static Address Loopback(sa_family_t family, uint16_t port);
  static Address Any(sa_family_t family, uint16_t port);

  // InvalidArgument when empty, longer than kMaxUnixName or with a NUL in it.
  static absl::StatusOr<Address> UnixPath(std::string_view path);
  // InvalidArgument when empty or longer than kMaxUnixName. Without the '@'.
  static absl::StatusOr<Address> UnixAbstract(std::string_view name);

  // For bind(2) and connect(2). Valid as long as this object.
  const sockaddr* data() const;
  socklen_t size() const { return size_; }

  // AF_INET, AF_INET6, AF_UNIX or AF_UNSPEC.
  sa_family_t family() const { return ip_.any.sa_family; }
  bool is_ip() const { return family() == AF_INET || family() == AF_INET6; }
  bool is_unix() const { return family() == AF_UNIX; }
  // Host order; 0 for what has none.
  uint16_t port() const;
  // Nothing for what has no port.
  Address WithPort(uint16_t port) const;

  // 0.0.0.0 or ::.
  bool IsAny() const;

  // Empty unless this is a unix socket with a path, or with an abstract name
  // (then without the '@').
  std::string_view unix_path() const;
  std::string_view unix_abstract() const;

  // "127.0.0.1:5432", "[fe80::1%eth0]:80", "unix:/path", "unix:@name", "unix:"
  // (the nameless end of a unix connection), "none". Bytes of a name that are
  // not printable are escaped, for a client chooses its name.
  std::string ToString() const;
  // The same without port and brackets: "127.0.0.1", "fe80::1%eth0".
  std::string HostText() const;

  // Flow labels are no part of it, zones are.
  friend bool operator==(const Address& a, const Address& b);

 private:
  union Ip {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  };

  explicit Address(sa_family_t family);
  // `name` as in sun_path: a path, or a NUL and an abstract name.
  static Address UnixName(std::string_view name);
  std::string_view unix_name() const;

  Ip ip_;  // the family only, for AF_UNIX
  socklen_t size_ = sizeof(sa_family_t);
  // Null unless this is a unix socket that has a name. Never written again.
  std::shared_ptr<const sockaddr_un> unix_;
};

// A literal of IPv4 or IPv6 without brackets; never asks DNS. A link-local
// address needs its zone, a name or number of an interface ("fe80::1%eth0",
// N02); no other may have one. InvalidArgument says what is wrong.
absl::StatusOr<Address> ParseIpAddress(std::string_view text, uint16_t port);

}  // namespace weir

#endif  // REACTOR_ADDRESS_H_
