#include "reactor/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace weir {
namespace {

using testing::HasSubstr;

std::string Error(std::string_view text) {
  const auto address = ParseIpAddress(text, 1);
  return address.ok() ? "no error" : std::string(address.status().message());
}

Address Parsed(std::string_view text, uint16_t port) {
  const auto address = ParseIpAddress(text, port);
  EXPECT_TRUE(address.ok()) << address.status().ToString();
  return address.ok() ? *address : Address();
}

// Sessions hold a few.
static_assert(sizeof(Address) <= 48);

TEST(AddressTest, DefaultIsOfNoFamily) {
  const Address address;
  EXPECT_EQ(address.family(), AF_UNSPEC);
  EXPECT_FALSE(address.is_ip());
  EXPECT_FALSE(address.is_unix());
  EXPECT_EQ(address.port(), 0);
  EXPECT_EQ(address.ToString(), "none");
  EXPECT_EQ(address.WithPort(5), address);
}

TEST(AddressTest, ParsesIpv4) {
  const Address address = Parsed("127.0.0.1", 5432);
  EXPECT_EQ(address.family(), AF_INET);
  EXPECT_EQ(address.size(), sizeof(sockaddr_in));
  EXPECT_EQ(address.port(), 5432);
  EXPECT_EQ(address.ToString(), "127.0.0.1:5432");
  EXPECT_EQ(address.HostText(), "127.0.0.1");
  EXPECT_FALSE(address.IsAny());
  sockaddr_in raw;
  memcpy(&raw, address.data(), sizeof(raw));
  EXPECT_EQ(raw.sin_family, AF_INET);
  EXPECT_EQ(ntohs(raw.sin_port), 5432);
  EXPECT_EQ(ntohl(raw.sin_addr.s_addr), INADDR_LOOPBACK);
  EXPECT_EQ(address, Address::Loopback(AF_INET, 5432));
}

TEST(AddressTest, ParsesIpv6) {
  const Address address = Parsed("2001:DB8:0:0::5", 80);
  EXPECT_EQ(address.family(), AF_INET6);
  EXPECT_EQ(address.size(), sizeof(sockaddr_in6));
  EXPECT_EQ(address.port(), 80);
  EXPECT_EQ(address.ToString(), "[2001:db8::5]:80");
  EXPECT_EQ(address.HostText(), "2001:db8::5");
  EXPECT_EQ(Parsed("::1", 80), Address::Loopback(AF_INET6, 80));
}

TEST(AddressTest, RefusesWhatIsNoAddress) {
  for (const std::string_view text :
       {"", "localhost", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4",
        "0x7f.0.0.1", " 127.0.0.1", "127.0.0.1 ", "[::1]", "::1::", ":",
        "127.0.0.1:80", "1.2.3.4/8"}) {
    EXPECT_THAT(Error(text), HasSubstr("not an IP address")) << text;
  }
  EXPECT_THAT(Error(std::string_view("127.0.0.1\0x", 11)),
              HasSubstr("not an IP address"));
}

TEST(AddressTest, ZonesAreForLinkLocalAddressesOnly) {
  EXPECT_THAT(Error("fe80::1"), HasSubstr("fe80::1%eth0"));
  EXPECT_THAT(Error("fe80::1%no-such-if"), HasSubstr("no such interface"));
  EXPECT_THAT(Error("fe80::1%"), HasSubstr("no such interface"));
  EXPECT_THAT(Error("fe80::1%0"), HasSubstr("no such interface"));
  EXPECT_THAT(Error("::1%lo"), HasSubstr("only a link-local address"));
  EXPECT_THAT(Error("127.0.0.1%lo"), HasSubstr("no zone"));

  const uint32_t loopback = if_nametoindex("lo");
  ASSERT_NE(loopback, 0u);
  const Address address = Parsed("fe80::1%lo", 9);
  sockaddr_in6 raw;
  memcpy(&raw, address.data(), sizeof(raw));
  EXPECT_EQ(raw.sin6_scope_id, loopback);
  EXPECT_EQ(address.ToString(), "[fe80::1%lo]:9");
  EXPECT_EQ(address, Parsed("fe80::1%" + std::to_string(loopback), 9));
  // The zone is part of the identity (N02), named or not.
  const Address other = Parsed("fe80::1%4294967295", 9);
  EXPECT_FALSE(address == other);
  EXPECT_EQ(other.ToString(), "[fe80::1%4294967295]:9");
}

// N01.
TEST(AddressTest, MappedIpv4IsIpv4) {
  EXPECT_EQ(Parsed("::ffff:10.1.2.3", 7), Parsed("10.1.2.3", 7));
  sockaddr_in6 mapped{};
  mapped.sin6_family = AF_INET6;
  mapped.sin6_port = htons(7);
  mapped.sin6_flowinfo = htonl(5);
  mapped.sin6_scope_id = 3;
  ASSERT_EQ(inet_pton(AF_INET6, "::ffff:10.1.2.3", &mapped.sin6_addr), 1);
  const Address address = Address::FromSockaddr(
      reinterpret_cast<const sockaddr*>(&mapped), sizeof(mapped));
  EXPECT_EQ(address.family(), AF_INET);
  EXPECT_EQ(address.size(), sizeof(sockaddr_in));
  EXPECT_EQ(address.ToString(), "10.1.2.3:7");
}

TEST(AddressTest, Any) {
  EXPECT_TRUE(Address::Any(AF_INET, 1).IsAny());
  EXPECT_TRUE(Address::Any(AF_INET6, 1).IsAny());
  EXPECT_EQ(Address::Any(AF_INET, 1).ToString(), "0.0.0.0:1");
  EXPECT_EQ(Address::Any(AF_INET6, 1).ToString(), "[::]:1");
  EXPECT_FALSE(Parsed("127.0.0.1", 1).IsAny());
  EXPECT_FALSE(Parsed("::1", 1).IsAny());
}

TEST(AddressTest, EqualityLooksAtEverything) {
  const Address address = Parsed("10.0.0.1", 1);
  EXPECT_EQ(address, Parsed("10.0.0.1", 1));
  EXPECT_FALSE(address == Parsed("10.0.0.2", 1));
  EXPECT_FALSE(address == Parsed("10.0.0.1", 2));
  EXPECT_EQ(address.WithPort(2), Parsed("10.0.0.1", 2));
  EXPECT_EQ(Parsed("::2", 1).WithPort(2), Parsed("::2", 2));
  EXPECT_FALSE(Parsed("::2", 1) == Parsed("::3", 1));
  EXPECT_FALSE(*Address::UnixPath("/a") == *Address::UnixPath("/b"));
  EXPECT_FALSE(*Address::UnixPath("a") == *Address::UnixAbstract("a"));
  EXPECT_FALSE(address == *Address::UnixPath("/a"));
}

TEST(AddressTest, UnixPath) {
  const auto address = Address::UnixPath("/run/x.sock");
  ASSERT_TRUE(address.ok());
  EXPECT_TRUE(address->is_unix());
  EXPECT_EQ(address->ToString(), "unix:/run/x.sock");
  EXPECT_EQ(address->HostText(), "unix:/run/x.sock");
  EXPECT_EQ(address->unix_path(), "/run/x.sock");
  EXPECT_EQ(address->unix_abstract(), "");
  EXPECT_EQ(address->size(), offsetof(sockaddr_un, sun_path) + 12);
  const Address copy = Address::FromSockaddr(address->data(), address->size());
  EXPECT_EQ(copy, *address);
}

TEST(AddressTest, UnixAbstract) {
  const auto address = Address::UnixAbstract("name");
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->ToString(), "unix:@name");
  EXPECT_EQ(address->unix_path(), "");
  EXPECT_EQ(address->unix_abstract(), "name");
  EXPECT_EQ(address->size(), offsetof(sockaddr_un, sun_path) + 5);
  EXPECT_EQ(Address::FromSockaddr(address->data(), address->size()), *address);
  // A NUL is a byte like others there.
  const auto with_nul = Address::UnixAbstract(std::string_view("a\0b", 3));
  ASSERT_TRUE(with_nul.ok());
  EXPECT_EQ(with_nul->unix_abstract(), std::string_view("a\0b", 3));
  EXPECT_EQ(with_nul->ToString(), "unix:@a\\x00\\x62");
}

TEST(AddressTest, UnixNamesHaveALimit) {
  const std::string longest(Address::kMaxUnixName, 'x');
  ASSERT_TRUE(Address::UnixPath(longest).ok());
  EXPECT_EQ(Address::UnixPath(longest)->unix_path(), longest);
  ASSERT_TRUE(Address::UnixAbstract(longest).ok());
  EXPECT_EQ(Address::UnixAbstract(longest)->unix_abstract(), longest);
  const std::string message(
      Address::UnixPath(longest + "y").status().message());
  EXPECT_THAT(message, HasSubstr("at most 107 bytes, this one has 108"));
  EXPECT_FALSE(Address::UnixAbstract(longest + "y").ok());
  EXPECT_FALSE(Address::UnixPath("").ok());
  EXPECT_FALSE(Address::UnixAbstract("").ok());
  EXPECT_FALSE(Address::UnixPath(std::string_view("a\0b", 3)).ok());
}

TEST(AddressTest, NamelessUnixSocket) {
  sockaddr_un raw{};
  raw.sun_family = AF_UNIX;
  const Address address = Address::FromSockaddr(
      reinterpret_cast<const sockaddr*>(&raw), sizeof(sa_family_t));
  EXPECT_TRUE(address.is_unix());
  EXPECT_EQ(address.ToString(), "unix:");
}

// The kernel may fill sun_path to its last byte, without a NUL.
TEST(AddressTest, UnixPathWithoutItsNul) {
  sockaddr_un raw{};
  raw.sun_family = AF_UNIX;
  memset(raw.sun_path, 'p', sizeof(raw.sun_path));
  const Address address = Address::FromSockaddr(
      reinterpret_cast<const sockaddr*>(&raw), sizeof(raw));
  EXPECT_EQ(address.unix_path(), std::string(sizeof(raw.sun_path), 'p'));
  EXPECT_EQ(address.size(), sizeof(raw));
}

// A client binds to the name that it likes, and lines of a log are lines.
TEST(AddressTest, NamesAreEscapedInText) {
  EXPECT_EQ(Address::UnixPath("/a\nb\x1b[m")->ToString(), "unix:/a\\nb\\x1b[m");
  EXPECT_EQ(Address::UnixPath("/caf\xc3\xa9")->ToString(), "unix:/caf\xc3\xa9");
}

TEST(AddressTest, ShortAndForeignAddressesAreOfNoFamily) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  const auto* raw = reinterpret_cast<const sockaddr*>(&v4);
  EXPECT_EQ(Address::FromSockaddr(raw, sizeof(v4) - 1).family(), AF_UNSPEC);
  EXPECT_EQ(Address::FromSockaddr(raw, 0).family(), AF_UNSPEC);
  EXPECT_EQ(Address::FromSockaddr(nullptr, 0).family(), AF_UNSPEC);
  v4.sin_family = AF_NETLINK;
  EXPECT_EQ(Address::FromSockaddr(raw, sizeof(v4)).family(), AF_UNSPEC);
}

}  // namespace
}  // namespace weir
