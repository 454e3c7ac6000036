// TCP_NODELAY, which waits for the second send.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstddef>
#include <vector>

#include "gtest/gtest.h"
#include "tests/proxy/relay/relay_matrix.h"
#include "tests/support/faulty_kernel.h"
#include "tests/support/relay_rig.h"
#include "tests/support/test_peer.h"

namespace weir {
namespace {

int NoDelay(int fd) {
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_EQ(::getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
  return value;
}

// What Linux would hold back is never the first send.
TEST_P(RelayMatrix, NoDelay_FromTheSecondSendOn) {
  for (const bool wanted : {true, false}) {
    for (const bool moved : {false, true}) {
      SCOPED_TRACE(testing::Message() << wanted << ", moved " << moved);
      RelayRig::Options options{.reactors = 2};
      options.spec.no_delay = wanted;
      RelayRig& rig = Make(options);
      std::vector<int> seen;
      rig.kernel().SetHook([&](Call call, int fd) {
        const bool sends = call == Call::kSend || call == Call::kSpliceOut;
        if (sends && fd == rig.kernel().last_socket()) {
          seen.push_back(NoDelay(fd));
        }
      });
      Link link = rig.Open();
      for (size_t i = 1; i <= 3; ++i) {
        ASSERT_TRUE(rig.SendAll(&link.client, "x"));
        ASSERT_TRUE(rig.ReadBytes(&link.upstream, i));
        if (moved && i == 1) {
          ASSERT_TRUE(rig.Move(0, 1));
        }
      }
      const int on = wanted ? 1 : 0;
      EXPECT_EQ(seen, (std::vector<int>{0, on, on}));
    }
  }
}

// Also when the first read is more than one send takes.
TEST_P(RelayCalls, NoDelay_BeforeTheRestOfAShortSend) {
  RelayRig& rig = Make();
  Link link = rig.Open();
  rig.kernel().LimitSends(3);
  std::vector<int> seen;
  rig.kernel().SetHook([&](Call call, int fd) {
    if (call == Call::kSend) seen.push_back(NoDelay(fd));
  });
  ASSERT_TRUE(rig.SendAll(&link.client, "hello"));
  ASSERT_TRUE(rig.ReadBytes(&link.upstream, 5));
  EXPECT_EQ(seen, (std::vector<int>{0, 1}));
  EXPECT_EQ(rig.kernel().calls(Call::kSetSockOpt, rig.kernel().last_socket()),
            2u);
}

INSTANTIATE_RELAY_MATRIX();
INSTANTIATE_RELAY_CALLS();

}  // namespace
}  // namespace weir
