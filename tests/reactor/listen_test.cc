#include "reactor/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reactor/address.h"
#include "reactor/errno_status.h"
#include "reactor/fd.h"
#include "reactor/kernel.h"
#include "reactor/socket.h"
#include "tests/reactor/listen_test_util.h"

namespace weir {
namespace {

using testing::HasSubstr;

Kernel& kernel = Kernel::Real();

TEST(ListenTest, ListensOnIpv4) {
  auto listener = Listen(kernel, Address::Loopback(AF_INET, 0));
  ASSERT_TRUE(listener.ok()) << listener.status().ToString();
  EXPECT_NE(listener->address.port(), 0);
  EXPECT_EQ(listener->address.HostText(), "127.0.0.1");
  const int fd = listener->fd.get();
  EXPECT_TRUE(fcntl(fd, F_GETFL) & O_NONBLOCK);
  EXPECT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  EXPECT_EQ(IntOption(fd, SOL_SOCKET, SO_REUSEADDR), 1);
  EXPECT_EQ(IntOption(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);

  int error = -1;
  const UniqueFd client = Client(listener->address, &error);
  EXPECT_EQ(error, 0);
  const SysResult accepted =
      kernel.Accept(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  ASSERT_TRUE(accepted.ok());
  const UniqueFd server(static_cast<int>(accepted.value));
  Address seen;
  Address own;
  EXPECT_EQ(GetPeerAddress(kernel, server.get(), &seen), 0);
  EXPECT_EQ(GetLocalAddress(kernel, client.get(), &own), 0);
  EXPECT_EQ(seen, own);
}

// N01: both families of one port, whatever net.ipv6.bindv6only says.
TEST(ListenTest, Ipv6ListenerLeavesIpv4Alone) {
  auto v6 = Listen(kernel, Address::Any(AF_INET6, 0));
  ASSERT_TRUE(v6.ok()) << v6.status().ToString();
  EXPECT_EQ(IntOption(v6->fd.get(), IPPROTO_IPV6, IPV6_V6ONLY), 1);
  int error = -1;
  Client(Address::Loopback(AF_INET6, v6->address.port()), &error);
  EXPECT_EQ(error, 0);
}

TEST(ListenTest, SaysWhoHoldsABusyPort) {
  auto first = Listen(kernel, Address::Loopback(AF_INET, 0));
  ASSERT_TRUE(first.ok());
  const auto second = Listen(kernel, first->address);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(ErrnoOf(second.status()), EADDRINUSE);
  EXPECT_EQ(ErrorOf(second), "cannot listen on " + first->address.ToString() +
                                 ": Address already in use (held by this "
                                 "process)");
  // A listener on every interface is in the way too.
  auto any = Listen(kernel, Address::Any(AF_INET6, 0));
  ASSERT_TRUE(any.ok());
  EXPECT_THAT(
      ErrorOf(Listen(kernel, Address::Loopback(AF_INET6, any->address.port()))),
      HasSubstr("held by this process"));
}

TEST(ListenTest, ErrnoTellsAnAddressThatTheMachineLacks) {
  const auto listener = Listen(kernel, *ParseIpAddress("192.0.2.1", 0));
  ASSERT_FALSE(listener.ok());
  EXPECT_EQ(ErrnoOf(listener.status()), EADDRNOTAVAIL);
  EXPECT_EQ(ErrorOf(listener),
            "cannot listen on 192.0.2.1:0: Cannot assign requested address");
}

TEST(ErrnoStatusTest, KeepsTheErrno) {
  const absl::Status status = ErrnoStatus(EACCES, "cannot open door", " (no)");
  EXPECT_EQ(status.message(), "cannot open door: Permission denied (no)");
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(ErrnoOf(status), EACCES);
  EXPECT_EQ(ErrnoOf(absl::OkStatus()), 0);
  EXPECT_EQ(ErrnoOf(absl::InternalError("x")), 0);
  EXPECT_EQ(ErrnoText(99999), "error 99999");
}

}  // namespace
}  // namespace weir
