#include "reactor/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reactor/address.h"
#include "reactor/errno_status.h"
#include "reactor/fd.h"
#include "reactor/kernel.h"
#include "reactor/socket.h"

namespace weir {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

Kernel& kernel = Kernel::Real();

int IntOption(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_EQ(getsockopt(fd, level, name, &value, &size), 0);
  return value;
}

// Connects with a blocking socket.
UniqueFd Client(const Address& address, int* error = nullptr) {
  UniqueFd fd(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int result = connect(fd.get(), address.data(), address.size());
  if (error != nullptr) *error = result == 0 ? 0 : errno;
  return fd;
}

std::string ErrorOf(const absl::StatusOr<ListeningSocket>& listener) {
  return listener.ok() ? "no error" : std::string(listener.status().message());
}

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

// --- Unix sockets (N03) -----------------------------------------------------

class UnixListenTest : public testing::Test {
 protected:
  void SetUp() override {
    // Not TempDir(): its name may be longer than a socket's may.
    std::string name = "/tmp/weir-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    path_ = directory_ + "/s";
    address_ = *Address::UnixPath(path_);
  }
  void TearDown() override {
    std::error_code error;
    std::filesystem::remove_all(directory_, error);
  }

  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(directory_)) {
      names.push_back(file.path().filename());
    }
    return names;
  }
  ino_t Inode() const {
    struct stat file {};
    EXPECT_EQ(lstat(path_.c_str(), &file), 0);
    return file.st_ino;
  }
  // Leaves a socket's file that nobody listens on.
  void LeaveStale() const {
    const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(bind(fd.get(), address_.data(), address_.size()), 0);
  }

  std::string directory_;
  std::string path_;
  Address address_;
};

TEST_F(UnixListenTest, ListensAndRemovesItsFile) {
  {
    auto listener = Listen(kernel, address_, {.mode = 0640});
    ASSERT_TRUE(listener.ok()) << listener.status().ToString();
    EXPECT_EQ(listener->address, address_);
    struct stat file {};
    ASSERT_EQ(lstat(path_.c_str(), &file), 0);
    EXPECT_TRUE(S_ISSOCK(file.st_mode));
    EXPECT_EQ(file.st_mode & 07777, 0640u);
    EXPECT_THAT(Files(), ElementsAre("s"));
    int error = -1;
    Client(address_, &error);
    EXPECT_EQ(error, 0);
    EXPECT_TRUE(fcntl(listener->fd.get(), F_GETFD) & FD_CLOEXEC);
    EXPECT_TRUE(fcntl(listener->fd.get(), F_GETFL) & O_NONBLOCK);

    // Ownership moves with the listener.
    ListeningSocket moved = *std::move(listener);
    EXPECT_THAT(Files(), ElementsAre("s"));
    ListeningSocket assigned;
    assigned = std::move(moved);
    EXPECT_THAT(Files(), ElementsAre("s"));
  }
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(UnixListenTest, ReplacesAStaleSocket) {
  LeaveStale();
  const ino_t stale = Inode();
  auto listener = Listen(kernel, address_);
  ASSERT_TRUE(listener.ok()) << listener.status().ToString();
  EXPECT_NE(Inode(), stale);
  EXPECT_THAT(Files(), ElementsAre("s"));
  int error = -1;
  Client(address_, &error);
  EXPECT_EQ(error, 0);
}

TEST_F(UnixListenTest, LeavesALiveSocketAlone) {
  auto first = Listen(kernel, address_);
  ASSERT_TRUE(first.ok());
  const ino_t inode = Inode();
  const auto second = Listen(kernel, address_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(ErrnoOf(second.status()), EADDRINUSE);
  EXPECT_EQ(ErrorOf(second), "cannot listen on unix:" + path_ +
                                 ": Address already in use (held by this "
                                 "process)");
  EXPECT_EQ(Inode(), inode);
  EXPECT_THAT(Files(), ElementsAre("s"));
}

TEST_F(UnixListenTest, FullBacklogIsAlive) {
  auto first = Listen(kernel, address_, {.backlog = 0});
  ASSERT_TRUE(first.ok());
  const UniqueFd waiting = Client(address_);
  const auto second = Listen(kernel, address_);
  EXPECT_EQ(ErrnoOf(second.status()), EADDRINUSE) << second.status().ToString();
}

TEST_F(UnixListenTest, LeavesOtherFilesAlone) {
  std::ofstream(path_) << "precious";
  const auto listener = Listen(kernel, address_);
  ASSERT_FALSE(listener.ok());
  EXPECT_EQ(ErrorOf(listener), "cannot listen on unix:" + path_ +
                                   ": the file of this name is not a socket");
  std::string content;
  std::ifstream(path_) >> content;
  EXPECT_EQ(content, "precious");
  EXPECT_THAT(Files(), ElementsAre("s"));
}

// Not even through a name that leads to a stale socket.
TEST_F(UnixListenTest, LeavesSymbolicLinksAlone) {
  LeaveStale();
  const std::string link = directory_ + "/link";
  ASSERT_EQ(symlink(path_.c_str(), link.c_str()), 0);
  EXPECT_THAT(ErrorOf(Listen(kernel, *Address::UnixPath(link))),
              HasSubstr("not a socket"));
}

TEST_F(UnixListenTest, NamesAMissingDirectory) {
  const std::string path = directory_ + "/missing/s";
  const auto listener = Listen(kernel, *Address::UnixPath(path));
  EXPECT_EQ(ErrorOf(listener),
            "cannot listen on unix:" + path + ": No such file or directory");
}

TEST_F(UnixListenTest, LeavesTheFileOfItsSuccessor) {
  auto first = Listen(kernel, address_);
  ASSERT_TRUE(first.ok());
  first->fd.Reset();  // its file is stale now
  auto second = Listen(kernel, address_);
  ASSERT_TRUE(second.ok());
  const ino_t inode = Inode();
  first->file = SocketFile();
  EXPECT_EQ(Inode(), inode);
}

TEST_F(UnixListenTest, LongestPathHasNoRoomForATemporaryName) {
  std::string directory = directory_;
  while (directory.size() + 2 < Address::kMaxUnixName) {
    const size_t room = Address::kMaxUnixName - directory.size() - 2;
    directory += "/" + std::string(std::min<size_t>(room - 1, 50), 'd');
    if (room <= 2) break;
    ASSERT_EQ(mkdir(directory.c_str(), 0755), 0) << directory;
  }
  const std::string path =
      directory + "/" +
      std::string(Address::kMaxUnixName - directory.size() - 1, 's');
  ASSERT_EQ(path.size(), Address::kMaxUnixName);
  const auto address = Address::UnixPath(path);
  auto listener = Listen(kernel, *address);
  ASSERT_TRUE(listener.ok()) << listener.status().ToString();
  int error = -1;
  Client(*address, &error);
  EXPECT_EQ(error, 0);
}

TEST_F(UnixListenTest, AbstractNames) {
  const auto address = Address::UnixAbstract(directory_);
  auto listener = Listen(kernel, *address);
  ASSERT_TRUE(listener.ok()) << listener.status().ToString();
  int error = -1;
  Client(*address, &error);
  EXPECT_EQ(error, 0);
  EXPECT_THAT(Files(), IsEmpty());
  EXPECT_THAT(ErrorOf(Listen(kernel, *address)),
              AllOf(StartsWith("cannot listen on unix:@"),
                    HasSubstr("in use (held by this process)")));
}

// --- Faults -----------------------------------------------------------------

// Each call may fail; nothing may be left behind.
class OneFault final : public Kernel {
 public:
  explicit OneFault(std::string call) : call_(std::move(call)) {}
  int open() const { return open_; }

  SysResult Socket(int domain, int type, int protocol) override {
    if (call_ == "socket") return {-1, EMFILE};
    const SysResult result = Real().Socket(domain, type, protocol);
    if (result.ok()) ++open_;
    return result;
  }
  SysResult Bind(int fd, const sockaddr* address, socklen_t size) override {
    if (call_ == "bind") return {-1, EACCES};
    return Real().Bind(fd, address, size);
  }
  SysResult Listen(int fd, int backlog) override {
    if (call_ == "listen") return {-1, EADDRINUSE};
    return Real().Listen(fd, backlog);
  }
  SysResult SetSockOpt(int fd, int level, int name, const void* value,
                       socklen_t size) override {
    if (call_ == "setsockopt") return {-1, ENOMEM};
    return Real().SetSockOpt(fd, level, name, value, size);
  }
  SysResult GetSockName(int fd, sockaddr* address, socklen_t* size) override {
    if (call_ == "getsockname") return {-1, ENOBUFS};
    return Real().GetSockName(fd, address, size);
  }
  SysResult Connect(int fd, const sockaddr* address, socklen_t size) override {
    if (call_ == "connect") return {-1, EACCES};
    return Real().Connect(fd, address, size);
  }
  SysResult Close(int fd) override {
    --open_;
    return Real().Close(fd);
  }
  // Not called here.
  SysResult Accept(int, sockaddr*, socklen_t*, int) override { return {}; }
  SysResult Recv(int, void*, size_t, int) override { return {}; }
  SysResult Send(int, const void*, size_t, int) override { return {}; }
  SysResult Shutdown(int, int) override { return {}; }
  SysResult GetSockOpt(int, int, int, void*, socklen_t*) override { return {}; }
  SysResult GetPeerName(int, sockaddr*, socklen_t*) override { return {}; }
  SysResult Pipe(int*, int) override { return {}; }
  SysResult SetPipeSize(int, size_t) override { return {}; }
  SysResult GetPipeSize(int) override { return {}; }
  SysResult Read(int, void*, size_t) override { return {}; }
  SysResult Splice(int, int, size_t) override { return {}; }
  SysResult SendQueue(int) override { return {}; }

 private:
  const std::string call_;
  int open_ = 0;
};

TEST_F(UnixListenTest, FaultsLeaveNothingBehind) {
  const std::pair<const char*, int> faults[] = {
      {"socket", EMFILE},     {"bind", EACCES},         {"listen", EADDRINUSE},
      {"setsockopt", ENOMEM}, {"getsockname", ENOBUFS}, {"connect", EACCES}};
  for (const auto& [call, error] : faults) {
    SCOPED_TRACE(call);
    const std::string name(call);
    if (name != "connect") {
      OneFault faulty(call);
      const auto listener = Listen(faulty, Address::Loopback(AF_INET6, 0));
      EXPECT_EQ(ErrnoOf(listener.status()), error);
      EXPECT_EQ(faulty.open(), 0);
    }
    if (name != "setsockopt" && name != "getsockname") {
      LeaveStale();
      const ino_t inode = Inode();
      OneFault faulty(call);
      const auto listener = Listen(faulty, address_);
      EXPECT_EQ(ErrnoOf(listener.status()), error);
      EXPECT_EQ(faulty.open(), 0);
      EXPECT_THAT(Files(), ElementsAre("s"));
      EXPECT_EQ(Inode(), inode);  // what was there before
      ASSERT_EQ(unlink(path_.c_str()), 0);
    }
  }
}

// --- Options ----------------------------------------------------------------

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
