// What the tests of the access log share.

#ifndef TESTS_PROXY_RELAY_ACCESS_LINES_H_
#define TESTS_PROXY_RELAY_ACCESS_LINES_H_

#include <sys/socket.h>

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "proxy/observe/access_log/access_sink.h"
#include "reactor/address.h"
#include "tests/support/relay_rig.h"
#include "tests/support/test_peer.h"

namespace weir {

inline constexpr size_t kAccessRing = 1 << 18;

inline RelayRig::Options Logged(AccessSink::Options access = {
                                    .ring_bytes = kAccessRing}) {
  RelayRig::Options options;
  options.access = std::move(access);
  return options;
}

inline std::vector<nlohmann::json> Lines(RelayRig& rig) {
  const std::string text = rig.TakeAccess();
  std::vector<nlohmann::json> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    lines.push_back(nlohmann::json::parse(text.substr(at, end - at)));
    at = end + 1;
  }
  return lines;
}

// Rounds while the clock stands still.
inline bool Still(RelayRig& rig, const std::function<bool()>& condition) {
  for (int i = 0; i < 1'000'000; ++i) {
    if (condition()) return true;
    rig.Rounds(1);
  }
  return false;
}

inline std::string NameOf(const TestPeer& peer) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  auto* const name = reinterpret_cast<sockaddr*>(&storage);
  EXPECT_EQ(::getsockname(peer.fd(), name, &size), 0);
  return Address::FromSockaddr(name, size).ToString();
}

inline std::vector<TestPeer> Crowd(RelayRig& rig, size_t count) {
  std::vector<TestPeer> clients;
  for (size_t i = 0; i < count; ++i) clients.push_back(rig.Dial());
  EXPECT_TRUE(rig.DriveUntil([&] { return rig.Sessions() == count; }));
  return clients;
}

}  // namespace weir

#endif  // TESTS_PROXY_RELAY_ACCESS_LINES_H_
