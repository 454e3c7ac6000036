#include "proxy/relay/peer_name.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <string>

#include "gtest/gtest.h"
#include "reactor/address.h"

namespace weir {
namespace {

TEST(PeerNameTest, OfIpPeersIsTheirAddress) {
  for (const char* const host :
       {"127.0.0.1", "255.255.255.255", "::1", "2001:db8::ff00:42:8329"}) {
    const auto address = ParseIpAddress(host, 50212);
    ASSERT_TRUE(address.ok()) << host;
    EXPECT_EQ(PeerName(*address).ToString(), address->ToString());
  }
}

TEST(PeerNameTest, KeepsTheZoneOfALinkLocalAddress) {
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(80);
  v6.sin6_addr.s6_addr[0] = 0xfe;
  v6.sin6_addr.s6_addr[1] = 0x80;
  v6.sin6_addr.s6_addr[15] = 1;
  v6.sin6_scope_id = 1;  // lo, in every network namespace
  const Address address =
      Address::FromSockaddr(reinterpret_cast<const sockaddr*>(&v6), sizeof(v6));
  EXPECT_EQ(PeerName(address).ToString(), "[fe80::1%lo]:80");
}

TEST(PeerNameTest, OfUnixPeersSaysOnlyThat) {
  EXPECT_EQ(PeerName(*Address::UnixPath("/run/pg.sock")).ToString(), "unix:");
  EXPECT_EQ(PeerName(*Address::UnixAbstract("pg")).ToString(), "unix:");
}

TEST(PeerNameTest, OfNobody) {
  EXPECT_EQ(PeerName().ToString(), Address().ToString());
}

// What a session can afford.
static_assert(sizeof(PeerName) == 24);

}  // namespace
}  // namespace weir
