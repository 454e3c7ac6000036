// Unix sockets (N03), and faults.

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reactor/address.h"
#include "reactor/errno_status.h"
#include "reactor/fd.h"
#include "reactor/kernel.h"
#include "reactor/listen.h"
#include "tests/reactor/listen_test_util.h"

namespace weir {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

Kernel& kernel = Kernel::Real();

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

}  // namespace
}  // namespace weir
