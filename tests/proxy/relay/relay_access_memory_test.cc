// The access log and memory: what it takes, and what happens without any.

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

#include "gtest/gtest.h"
#include "proxy/observe/access_log/access_sink.h"
#include "proxy/observe/close_reason.h"
#include "tests/proxy/relay/relay_matrix.h"
#include "tests/support/relay_rig.h"
#include "tests/support/test_peer.h"

namespace weir {
namespace {

bool out_of_memory = false;
uint64_t allocations = 0;

RelayRig::Options Logged() {
  RelayRig::Options options;
  options.access = {.open_lines = true, .ring_bytes = 1 << 16};
  return options;
}

// A message there and one back. The peers' own calls, for they take no memory.
void Exchange(RelayRig& rig, const Link& link) {
  char bytes[16] = {};
  for (const auto& [from, to] :
       {std::pair{link.client.fd(), link.upstream.fd()},
        {link.upstream.fd(), link.client.fd()}}) {
    ASSERT_EQ(::send(from, bytes, sizeof(bytes), MSG_NOSIGNAL), 16);
    size_t got = 0;
    for (int i = 0; i < 1'000'000 && got < sizeof(bytes); ++i) {
      rig.Rounds(1);
      const ssize_t n = ::recv(to, bytes, sizeof(bytes) - got, MSG_DONTWAIT);
      if (n > 0) got += static_cast<size_t>(n);
    }
    ASSERT_EQ(got, sizeof(bytes));
  }
}

TEST_P(RelayCalls, Access_AMessageTakesNoMemory) {
  RelayRig& rig = Make(Logged());
  Link link = rig.Open();
  for (int i = 0; i < 10; ++i) Exchange(rig, link);
  rig.TakeAccess();
  const uint64_t before = allocations;
  for (int i = 0; i < 100; ++i) Exchange(rig, link);
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(rig.TakeAccess(), "");
}

TEST_P(RelayCalls, Access_AConnectionWithoutMemoryIsCounted) {
  RelayRig& rig = Make(Logged());
  TestPeer client = rig.Dial();
  out_of_memory = true;
  EXPECT_TRUE(rig.DriveUntil([&] { return rig.Closed() == 1; }));
  out_of_memory = false;
  EXPECT_EQ(rig.Closed(CloseReason::kResources), 1u);
  EXPECT_EQ(rig.access().dropped().Value(), 1u);
  EXPECT_EQ(rig.TakeAccess(), "");
  rig.ReadEnd(&client);
}

INSTANTIATE_RELAY_CALLS();

}  // namespace
}  // namespace weir

void* operator new(size_t size) {
  ++weir::allocations;
  void* const memory = std::malloc(size);
  if (memory == nullptr) std::abort();
  return memory;
}
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return weir::out_of_memory ? nullptr : ::operator new(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
