#include "metrics/http_guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <string>

#include "gtest/gtest.h"

namespace weir {
namespace {

sockaddr_storage Address(const std::string& text) {
  sockaddr_storage storage{};
  sockaddr_in in{};
  sockaddr_in6 in6{};
  if (text == "unix") {
    storage.ss_family = AF_UNIX;
  } else if (inet_pton(AF_INET, text.c_str(), &in.sin_addr) == 1) {
    in.sin_family = AF_INET;
    std::memcpy(&storage, &in, sizeof in);
  } else if (inet_pton(AF_INET6, text.c_str(), &in6.sin6_addr) == 1) {
    in6.sin6_family = AF_INET6;
    std::memcpy(&storage, &in6, sizeof in6);
  }
  return storage;
}

TEST(HttpGuard, KnowsLoopbackPeers) {
  for (const char* yes :
       {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1", "unix"}) {
    EXPECT_TRUE(IsLoopback(Address(yes))) << yes;
  }
  for (const char* no : {"10.0.0.1", "128.0.0.1", "0.0.0.0", "::", "::2",
                         "2001:db8::1", "::ffff:10.0.0.1", "none"}) {
    EXPECT_FALSE(IsLoopback(Address(no))) << no;
  }
}

TEST(HttpGuard, TrustsLocalhostAndLoopbackAddressesOnly) {
  for (const char* yes :
       {"localhost", "LOCALHOST:9464", "127.0.0.1", "127.9.9.9:1", "[::1]",
        "[::1]:9464", "[::ffff:127.0.0.1]", "localhost:"}) {
    EXPECT_TRUE(IsTrustedHost(yes)) << yes;
  }
  for (const char* no :
       {"", ":80", "evil.example", "localhost.evil.example", "localhost@evil",
        "localhost:80:90", "localhost:x", "127.0.0.1.evil", "127.1", "0x7f.1",
        "::1", "[::1", "[::1]x", "[]", "[localhost]", "10.1.2.4", "0.0.0.0",
        "[2001:db8::1]", "localhost evil"}) {
    EXPECT_FALSE(IsTrustedHost(no)) << no;
  }
}

RequestFacts Facts() {
  RequestFacts facts;
  facts.peer = Address("127.0.0.1");
  facts.host = "localhost:9464";
  return facts;
}

TEST(HttpGuard, LetsThisMachinePost) {
  EXPECT_EQ(WhyPostIsRefused(Facts()), nullptr);
  RequestFacts same = Facts();
  same.has_origin = true;
  same.origin = "http://localhost:9464";
  EXPECT_EQ(WhyPostIsRefused(same), nullptr);
}

TEST(HttpGuard, LetsAProgramOnAUnixSocketPost) {
  RequestFacts facts;
  facts.peer = Address("unix");
  EXPECT_EQ(WhyPostIsRefused(facts), nullptr);
  facts.host = "weir";
  EXPECT_EQ(WhyPostIsRefused(facts), nullptr);
  // A page, which somebody's proxy brings there.
  facts.has_origin = true;
  facts.origin = "http://weir";
  EXPECT_NE(WhyPostIsRefused(facts), nullptr);
}

TEST(HttpGuard, RefusesOtherMachines) {
  RequestFacts facts = Facts();
  facts.peer = Address("10.0.0.1");
  EXPECT_NE(WhyPostIsRefused(facts), nullptr);
  facts.peer = {};  // unknown
  EXPECT_NE(WhyPostIsRefused(facts), nullptr);
}

TEST(HttpGuard, RefusesOtherPages) {
  for (const char* origin :
       {"null", "", "http://evil.example", "https://localhost:9464",
        "http://localhost", "http://localhost:9465", "http://127.0.0.1:9464"}) {
    RequestFacts facts = Facts();
    facts.has_origin = true;
    facts.origin = origin;
    EXPECT_NE(WhyPostIsRefused(facts), nullptr) << origin;
  }
  RequestFacts two = Facts();
  two.has_origin = true;
  EXPECT_NE(WhyPostIsRefused(two), nullptr);
  RequestFacts rebound = Facts();
  rebound.host = "evil.example:9464";
  rebound.has_origin = true;
  rebound.origin = "http://evil.example:9464";
  EXPECT_NE(WhyPostIsRefused(rebound), nullptr);
  rebound.host.reset();
  EXPECT_NE(WhyPostIsRefused(rebound), nullptr);
}

TEST(HttpGuard, LetsNoReboundPageRead) {
  RequestFacts facts = Facts();
  EXPECT_EQ(WhyGetIsRefused(facts), nullptr);
  facts.host = "evil.example:9464";
  EXPECT_NE(WhyGetIsRefused(facts), nullptr);
  facts.peer = Address("::1");
  EXPECT_NE(WhyGetIsRefused(facts), nullptr);
  facts.host.reset();
  EXPECT_NE(WhyGetIsRefused(facts), nullptr);
  facts.host = "[::1]:9464";
  EXPECT_EQ(WhyGetIsRefused(facts), nullptr);
}

TEST(HttpGuard, LetsOtherMachinesAndUnixSocketsReadUnderAnyName) {
  for (const char* peer : {"10.0.0.1", "2001:db8::1", "unix", "none"}) {
    RequestFacts facts;
    facts.peer = Address(peer);
    EXPECT_EQ(WhyGetIsRefused(facts), nullptr) << peer;
    facts.host = "weir.example";
    EXPECT_EQ(WhyGetIsRefused(facts), nullptr) << peer;
  }
}

}  // namespace
}  // namespace weir
