#include "proxy/lifecycle/listeners.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proxy/config/forward_spec.h"
#include "proxy/config/units.h"
#include "reactor/address.h"
#include "reactor/clock.h"
#include "reactor/errno_status.h"
#include "reactor/fd.h"
#include "reactor/kernel.h"
#include "reactor/listen.h"
#include "tests/support/faulty_kernel.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

using Bound = absl::StatusOr<std::vector<BoundForward>>;

ForwardSpec Forward(const std::string& name, ListenSpec listen) {
  ForwardSpec forward;
  forward.name = name;
  forward.listen = std::move(listen);
  return forward;
}

int IntOption(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_EQ(getsockopt(fd, level, name, &value, &size), 0);
  return value;
}

std::string ErrorOf(const Bound& bound) {
  return bound.ok() ? "no error" : std::string(bound.status().message());
}

// Whether somebody listens there.
bool Answers(const Address& address) {
  const UniqueFd fd(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  return connect(fd.get(), address.data(), address.size()) == 0;
}

// Sockets are made in the order of the addresses, IPv4 first. A port that the
// kernel picks on IPv4 may be another process's on IPv6: then there are more
// tries than a test asks for.
class ListenersTest : public testing::Test {
 protected:
  Bound Bind(const ForwardSpec& forward) {
    return BindForwards(kernel_, {forward});
  }

  FaultyKernel kernel_;
};

TEST_F(ListenersTest, ABarePortIsBothLoopbacksOnOnePort) {
  const Bound bound = Bind(Forward("pg", {}));
  ASSERT_TRUE(bound.ok()) << bound.status();
  ASSERT_THAT(*bound, SizeIs(1));
  const BoundForward& pg = bound->front();
  ASSERT_THAT(pg.sockets, SizeIs(2));
  EXPECT_THAT(pg.skipped, IsEmpty());
  const uint16_t port = pg.sockets[0].address.port();
  EXPECT_NE(port, 0);
  EXPECT_EQ(pg.sockets[0].address, Address::Loopback(AF_INET, port));
  EXPECT_EQ(pg.sockets[1].address, Address::Loopback(AF_INET6, port));
  EXPECT_TRUE(Answers(pg.sockets[0].address));
  EXPECT_TRUE(Answers(pg.sockets[1].address));
}

TEST_F(ListenersTest, AnAddressIsItselfAlone) {
  const Bound bound = Bind(Forward(
      "pg", {.kind = ListenSpec::Kind::kHostPort, .host = "127.0.0.9"}));
  ASSERT_TRUE(bound.ok()) << bound.status();
  ASSERT_THAT(bound->front().sockets, SizeIs(1));
  EXPECT_EQ(bound->front().sockets[0].address.HostText(), "127.0.0.9");
}

TEST_F(ListenersTest, ElementsFollowTheForwards) {
  const Bound bound = BindForwards(
      kernel_,
      {Forward("a", {}), Forward("b", {.kind = ListenSpec::Kind::kHostPort,
                                       .host = "127.0.0.8"})});
  ASSERT_TRUE(bound.ok()) << bound.status();
  ASSERT_THAT(*bound, SizeIs(2));
  EXPECT_THAT((*bound)[0].sockets, SizeIs(2));
  ASSERT_THAT((*bound)[1].sockets, SizeIs(1));
  EXPECT_EQ((*bound)[1].sockets[0].address.HostText(), "127.0.0.8");
}

TEST_F(ListenersTest, TheKernelsPortIsAskedForAgainWhenTheOtherFamilyHasIt) {
  // The first port is free on IPv4 and taken on IPv6.
  kernel_.Inject({.call = Call::kBind, .error = EADDRINUSE, .skip = 1});
  const Bound bound = Bind(Forward("pg", {}));
  ASSERT_TRUE(bound.ok()) << bound.status();
  const std::vector<ListeningSocket>& sockets = bound->front().sockets;
  ASSERT_THAT(sockets, SizeIs(2));
  EXPECT_EQ(sockets[0].address.port(), sockets[1].address.port());
  EXPECT_GE(kernel_.calls(Call::kBind), 4u);
}

TEST_F(ListenersTest, AskingForAPortEnds) {
  kernel_.Inject({.call = Call::kBind,
                  .error = EADDRINUSE,
                  .count = 1000,
                  .skip = 1,
                  .every = 2});
  const Bound bound = Bind(Forward("pg", {}));
  EXPECT_THAT(ErrorOf(bound), HasSubstr(ErrnoText(EADDRINUSE)));
  EXPECT_LE(kernel_.calls(Call::kBind), 100u);
}

class MissingFamilyTest : public ListenersTest,
                          public testing::WithParamInterface<int> {
 protected:
  // Hits `count` families, after `skip` that work.
  void Miss(int count, int skip = 0) {
    kernel_.Inject(
        {.call = GetParam() == EAFNOSUPPORT ? Call::kSocket : Call::kBind,
         .error = GetParam(),
         .count = count,
         .skip = skip});
  }
};

TEST_P(MissingFamilyTest, SecondIsSkippedAndSaid) {
  Miss(1, /*skip=*/1);
  const Bound bound = Bind(Forward("pg", {}));
  ASSERT_TRUE(bound.ok()) << bound.status();
  const BoundForward& pg = bound->front();
  ASSERT_THAT(pg.sockets, SizeIs(1));
  EXPECT_EQ(pg.sockets[0].address.family(), AF_INET);
  EXPECT_THAT(pg.skipped,
              ElementsAre("[::1]:0 skipped: " + ErrnoText(GetParam())));
}

TEST_P(MissingFamilyTest, FirstIsSkippedAndSaid) {
  Miss(1);
  const Bound bound = Bind(Forward("pg", {}));
  ASSERT_TRUE(bound.ok()) << bound.status();
  const BoundForward& pg = bound->front();
  ASSERT_THAT(pg.sockets, SizeIs(1));
  EXPECT_EQ(pg.sockets[0].address.family(), AF_INET6);
  EXPECT_NE(pg.sockets[0].address.port(), 0);
  EXPECT_THAT(pg.skipped,
              ElementsAre("127.0.0.1:0 skipped: " + ErrnoText(GetParam())));
}

TEST_P(MissingFamilyTest, BothAreAnError) {
  Miss(2);
  const Bound bound = Bind(Forward("pg", {}));
  EXPECT_THAT(ErrorOf(bound), HasSubstr(ErrnoText(GetParam())));
}

TEST_P(MissingFamilyTest, OfAnAddressThatWasAskedForIsAnError) {
  Miss(1);
  const Bound bound =
      Bind(Forward("pg", {.kind = ListenSpec::Kind::kHostPort, .host = "::1"}));
  EXPECT_THAT(ErrorOf(bound), HasSubstr(ErrnoText(GetParam())));
}

INSTANTIATE_TEST_SUITE_P(Errors, MissingFamilyTest,
                         testing::Values(EAFNOSUPPORT, EADDRNOTAVAIL),
                         [](const auto& error) {
                           return error.param == EAFNOSUPPORT ? "NoSupport"
                                                              : "NoAddress";
                         });

TEST_F(ListenersTest, AFailureNamesTheForwardAndLeavesNothing) {
  char folder[] = "/tmp/listeners_test.XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string path = std::string(folder) + "/sock";
  const Bound bound = BindForwards(
      kernel_,
      {Forward("first", {.kind = ListenSpec::Kind::kUnix, .path = path}),
       Forward("second", {.kind = ListenSpec::Kind::kUnix,
                          .path = std::string(folder) + "/no/such/folder"})});
  ASSERT_FALSE(bound.ok());
  EXPECT_THAT(ErrorOf(bound), StartsWith("second: "));
  EXPECT_NE(access(path.c_str(), F_OK), 0);
  EXPECT_EQ(kernel_.calls(Call::kClose), kernel_.calls(Call::kSocket));
  EXPECT_EQ(rmdir(folder), 0);
}

TEST_F(ListenersTest, APortThatIsTakenFailsBothFamilies) {
  const Bound holder = Bind(
      Forward("holder", {.kind = ListenSpec::Kind::kHostPort, .host = "::1"}));
  ASSERT_TRUE(holder.ok()) << holder.status();
  const uint16_t port = holder->front().sockets[0].address.port();
  const Bound bound = Bind(Forward("pg", {.port = port}));
  EXPECT_THAT(ErrorOf(bound), HasSubstr(ErrnoText(EADDRINUSE)));
  EXPECT_THAT(ErrorOf(bound), StartsWith("pg: "));
  EXPECT_FALSE(Answers(Address::Loopback(AF_INET, port)));
}

TEST_F(ListenersTest, AUnixPath) {
  char folder[] = "/tmp/listeners_test.XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string path = std::string(folder) + "/sock";
  {
    const Bound bound =
        Bind(Forward("pg", {.kind = ListenSpec::Kind::kUnix, .path = path}));
    ASSERT_TRUE(bound.ok()) << bound.status();
    ASSERT_THAT(bound->front().sockets, SizeIs(1));
    EXPECT_EQ(bound->front().sockets[0].address.unix_path(), path);
    EXPECT_TRUE(Answers(bound->front().sockets[0].address));
  }
  EXPECT_NE(access(path.c_str(), F_OK), 0);
  EXPECT_EQ(rmdir(folder), 0);
}

TEST_F(ListenersTest, AnAbstractName) {
  const std::string name = "listeners_test." + std::to_string(getpid());
  const Bound bound = Bind(
      Forward("pg", {.kind = ListenSpec::Kind::kUnix, .path = "@" + name}));
  ASSERT_TRUE(bound.ok()) << bound.status();
  ASSERT_THAT(bound->front().sockets, SizeIs(1));
  EXPECT_EQ(bound->front().sockets[0].address.unix_abstract(), name);
  EXPECT_TRUE(Answers(bound->front().sockets[0].address));
}

TEST_F(ListenersTest, TooLongAPathNamesTheForward) {
  const Bound bound = Bind(Forward(
      "pg", {.kind = ListenSpec::Kind::kUnix, .path = std::string(200, 'x')}));
  EXPECT_TRUE(absl::IsInvalidArgument(bound.status())) << bound.status();
  EXPECT_THAT(ErrorOf(bound), HasSubstr("pg: "));
}

// The accepted end of a connection to a forward with these options.
UniqueFd Accepted(const ListeningSocket& listener) {
  EXPECT_TRUE(Answers(listener.address));
  UniqueFd fd(accept4(listener.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_TRUE(fd.valid());
  return fd;
}

TEST_F(ListenersTest, AcceptedSocketsInheritTheOptions) {
  ForwardSpec forward = Forward("pg", {});
  forward.keepalive = std::chrono::milliseconds(41'500);
  const Bound bound = Bind(forward);
  ASSERT_TRUE(bound.ok()) << bound.status();
  for (const ListeningSocket& listener : bound->front().sockets) {
    const UniqueFd fd = Accepted(listener);
    EXPECT_EQ(IntOption(fd.get(), SOL_SOCKET, SO_OOBINLINE), 1);
    EXPECT_EQ(IntOption(fd.get(), IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_EQ(IntOption(fd.get(), SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(IntOption(fd.get(), IPPROTO_TCP, TCP_KEEPIDLE), 42);
    EXPECT_EQ(IntOption(fd.get(), IPPROTO_TCP, TCP_KEEPINTVL), 10);
    EXPECT_EQ(IntOption(fd.get(), IPPROTO_TCP, TCP_KEEPCNT), 6);
  }
}

TEST_F(ListenersTest, AcceptedSocketsInheritWhatKeysAskFor) {
  ForwardSpec forward = Forward("pg", {});
  forward.user_timeout = std::chrono::milliseconds(1'500);
  forward.receive_buffer = 48 << 10;
  forward.send_buffer = 96 << 10;
  const Bound bound = Bind(forward);
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_THAT(bound->front().warnings, IsEmpty());
  for (const ListeningSocket& listener : bound->front().sockets) {
    const UniqueFd fd = Accepted(listener);
    EXPECT_EQ(IntOption(fd.get(), IPPROTO_TCP, TCP_USER_TIMEOUT), 1'500);
    // The kernel doubles both.
    EXPECT_EQ(IntOption(fd.get(), SOL_SOCKET, SO_RCVBUF), 2 * (48 << 10));
    EXPECT_EQ(IntOption(fd.get(), SOL_SOCKET, SO_SNDBUF), 2 * (96 << 10));
  }
}

TEST_F(ListenersTest, AListenerHasItsOptionsBeforeItIsBound) {
  ForwardSpec forward = Forward("pg", {});
  forward.receive_buffer = 48 << 10;
  forward.defer = std::chrono::seconds(3);
  forward.fast_open = true;
  int looks = 0;
  kernel_.SetHook([&looks](Call call, int fd) {
    if (call != Call::kBind) return;
    ++looks;
    EXPECT_EQ(IntOption(fd, SOL_SOCKET, SO_RCVBUF), 2 * (48 << 10));
    EXPECT_EQ(IntOption(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT), 3);
    EXPECT_EQ(IntOption(fd, IPPROTO_TCP, TCP_FASTOPEN), 256);
    EXPECT_EQ(IntOption(fd, IPPROTO_TCP, TCP_NODELAY), 1);
  });
  ASSERT_TRUE(Bind(forward).ok());
  EXPECT_GE(looks, 2);
}

TEST_F(ListenersTest, AnOptionThatTheKernelRefusesIsToldOnce) {
  ForwardSpec forward = Forward("pg", {});
  forward.no_delay = false;
  forward.keepalive = kForever;
  forward.defer = std::chrono::seconds(1);
  // Of each socket: SO_OOBINLINE, this one, SO_REUSEADDR.
  kernel_.Inject({.call = Call::kSetSockOpt,
                  .error = ENOPROTOOPT,
                  .count = 1000,
                  .skip = 1,
                  .every = 3});
  const Bound bound = Bind(forward);
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_THAT(bound->front().sockets, SizeIs(2));
  EXPECT_THAT(
      bound->front().warnings,
      ElementsAre("pg: +defer is refused by the kernel: Protocol not "
                  "available; it runs without (+defer:off if that is meant)"));
  for (const ListeningSocket& listener : bound->front().sockets) {
    EXPECT_EQ(IntOption(listener.fd.get(), IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
  }
}

TEST_F(ListenersTest, ABufferThatTheKernelCutsIsTold) {
  int64_t limit = 0;
  std::ifstream("/proc/sys/net/core/rmem_max") >> limit;
  if (limit >= 512 << 20) GTEST_SKIP() << "the machine gives all that is asked";
  for (const ListenSpec& listen :
       {ListenSpec{},
        ListenSpec{.kind = ListenSpec::Kind::kUnix,
        .path = "@listeners_test.cut." + std::to_string(getpid())}}) {
    ForwardSpec forward = Forward("pg", listen);
    forward.receive_buffer = 512 << 20;
    const Bound bound = Bind(forward);
    ASSERT_TRUE(bound.ok()) << bound.status();
    EXPECT_THAT(
        bound->front().warnings,
        ElementsAre("pg: +rcvbuf:512MiB: the kernel gives " +
                    FormatSize(limit) +
                    "; sysctl -w net.core.rmem_max=536870912 allows it"));
  }
}

TEST_F(ListenersTest, OptionsThatAreOffStayOff) {
  ForwardSpec forward = Forward("pg", {});
  forward.no_delay = false;
  forward.keepalive = kForever;
  const Bound bound = Bind(forward);
  ASSERT_TRUE(bound.ok()) << bound.status();
  for (const ListeningSocket& listener : bound->front().sockets) {
    const UniqueFd fd = Accepted(listener);
    EXPECT_EQ(IntOption(fd.get(), SOL_SOCKET, SO_OOBINLINE), 1);
    EXPECT_EQ(IntOption(fd.get(), IPPROTO_TCP, TCP_NODELAY), 0);
    EXPECT_EQ(IntOption(fd.get(), SOL_SOCKET, SO_KEEPALIVE), 0);
    EXPECT_EQ(IntOption(fd.get(), IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
    EXPECT_EQ(IntOption(listener.fd.get(), IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
    EXPECT_EQ(IntOption(listener.fd.get(), IPPROTO_TCP, TCP_FASTOPEN), 0);
  }
}

}  // namespace
}  // namespace weir
