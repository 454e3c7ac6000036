#include "reactor/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>

#include "gtest/gtest.h"
#include "reactor/address.h"
#include "reactor/fd.h"
#include "reactor/kernel.h"
#include "reactor/listen.h"
#include "tests/reactor/listen_test_util.h"

namespace weir {
namespace {

Kernel& kernel = Kernel::Real();

TEST(SocketTest, OptionsReachTheKernel) {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(SetNoDelay(kernel, fd.get(), true), 0);
  EXPECT_EQ(IntOption(fd.get(), IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(SetNoDelay(kernel, fd.get(), false), 0);
  EXPECT_EQ(IntOption(fd.get(), IPPROTO_TCP, TCP_NODELAY), 0);

  EXPECT_EQ(SetKeepAlive(kernel, fd.get(), std::chrono::seconds(60)), 0);
  EXPECT_EQ(IntOption(fd.get(), SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(IntOption(fd.get(), IPPROTO_TCP, TCP_KEEPIDLE), 60);
  EXPECT_EQ(IntOption(fd.get(), IPPROTO_TCP, TCP_KEEPINTVL), 10);
  EXPECT_EQ(IntOption(fd.get(), IPPROTO_TCP, TCP_KEEPCNT), 6);
  EXPECT_EQ(SetKeepAlive(kernel, fd.get(), std::chrono::hours(24)), 0);
  EXPECT_EQ(SetKeepAlive(kernel, fd.get(), std::chrono::seconds(0)), 0);
  EXPECT_EQ(IntOption(fd.get(), IPPROTO_TCP, TCP_KEEPIDLE), 1);

  EXPECT_EQ(SetOobInline(kernel, fd.get()), 0);
  EXPECT_EQ(IntOption(fd.get(), SOL_SOCKET, SO_OOBINLINE), 1);

  EXPECT_EQ(SetLingerZero(kernel, fd.get()), 0);
  linger lingers{};
  socklen_t size = sizeof(lingers);
  ASSERT_EQ(getsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &lingers, &size), 0);
  EXPECT_EQ(lingers.l_onoff, 1);
  EXPECT_EQ(lingers.l_linger, 0);
}

// What socket.h promises: a listener's keepalive is that of what it accepts.
TEST(SocketTest, AcceptedSocketInheritsKeepAlive) {
  auto listener = Listen(kernel, Address::Loopback(AF_INET, 0));
  ASSERT_TRUE(listener.ok());
  ASSERT_EQ(SetKeepAlive(kernel, listener->fd.get(), std::chrono::seconds(33)),
            0);
  const UniqueFd client = Client(listener->address);
  const UniqueFd server(
      accept4(listener->fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(server);
  EXPECT_EQ(IntOption(server.get(), SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(IntOption(server.get(), IPPROTO_TCP, TCP_KEEPIDLE), 33);
  EXPECT_EQ(IntOption(server.get(), IPPROTO_TCP, TCP_KEEPCNT), 6);
}

TEST(SocketTest, SocketErrorIsTakenOnce) {
  auto listener = Listen(kernel, Address::Loopback(AF_INET, 0));
  ASSERT_TRUE(listener.ok());
  UniqueFd client = Client(listener->address);
  const UniqueFd server(
      accept4(listener->fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(server);
  ASSERT_EQ(SetLingerZero(kernel, client.get()), 0);
  client.Reset();  // a reset, which older kernels deliver a moment later
  pollfd reset = {server.get(), POLLIN, 0};
  ASSERT_EQ(poll(&reset, 1, 30'000), 1);
  EXPECT_EQ(TakeSocketError(kernel, server.get()), ECONNRESET);
  EXPECT_EQ(TakeSocketError(kernel, server.get()), 0);
}

TEST(SocketTest, FailuresAreErrnos) {
  EXPECT_EQ(SetNoDelay(kernel, -1, true), EBADF);
  EXPECT_EQ(SetKeepAlive(kernel, -1, std::chrono::seconds(1)), EBADF);
  EXPECT_EQ(SetOobInline(kernel, -1), EBADF);
  EXPECT_EQ(SetLingerZero(kernel, -1), EBADF);
  EXPECT_EQ(TakeSocketError(kernel, -1), EBADF);
  Address address = Address::Loopback(AF_INET, 9);
  EXPECT_EQ(GetLocalAddress(kernel, -1, &address), EBADF);
  EXPECT_EQ(GetPeerAddress(kernel, -1, &address), EBADF);
  EXPECT_EQ(address, Address::Loopback(AF_INET, 9));
}

}  // namespace
}  // namespace weir
