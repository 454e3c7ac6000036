#include "proxy/lifecycle/instance_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "reactor/address.h"

namespace weir {
namespace {

class InstanceFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/run.XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Run() const { return folder_ + "/weir"; }
  std::string Own() const { return Run() + "/" + std::to_string(getpid()); }

  std::vector<Instance> Live() const {
    absl::StatusOr<std::vector<Instance>> live = LiveInstances(Run());
    EXPECT_TRUE(live.ok()) << live.status();
    return live.ok() ? *live : std::vector<Instance>();
  }

  void Leave(const std::string& name, const std::string& text) const {
    std::ofstream(Run() + "/" + name) << text;
  }

  std::string folder_;
};

TEST(AdminAddress, IsReadAsItIsWritten) {
  const Address four = Address::Loopback(AF_INET, 9464);
  const Address six = Address::Loopback(AF_INET6, 1);
  const Address path = *Address::UnixPath("/run/a b\n");
  const Address name = *Address::UnixAbstract("weir");
  EXPECT_EQ(FormatAdminAddress(four), "http://127.0.0.1:9464");
  EXPECT_EQ(FormatAdminAddress(six), "http://[::1]:1");
  EXPECT_EQ(FormatAdminAddress(path), "unix:/run/a b\n");
  EXPECT_EQ(FormatAdminAddress(name), "unix:@weir");
  EXPECT_EQ(FormatAdminAddress(*Address::UnixPath("s")),
            "unix:" + std::filesystem::current_path().string() + "/s");
  for (const Address& address : {four, six, path, name}) {
    const absl::StatusOr<Address> read =
        ParseAdminAddress(FormatAdminAddress(address));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_TRUE(*read == address) << address.ToString();
  }
  for (const char* wrong :
       {"", "http://", "http://127.0.0.1", "http://127.0.0.1:0",
        "http://127.0.0.1:70000", "http://db:1", "127.0.0.1:9464",
        "unix:", "http://[:1", "http://[::1:5", "http://:", ":1"}) {
    EXPECT_FALSE(ParseAdminAddress(wrong).ok()) << wrong;
  }
}

TEST_F(InstanceFileTest, IsThereWhileItsObjectLives) {
  EXPECT_TRUE(Live().empty()) << "there is no folder yet";
  {
    InstanceFile file;
    ASSERT_TRUE(file.Write(Run(), Address::Loopback(AF_INET, 9464)).ok());
    const std::vector<Instance> live = Live();
    ASSERT_EQ(live.size(), 1u);
    EXPECT_EQ(live[0].pid, getpid());
    EXPECT_EQ(live[0].admin.ToString(), "127.0.0.1:9464");
    struct stat status;
    ASSERT_EQ(stat(Run().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700u);
    ASSERT_EQ(stat(Own().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
    EXPECT_FALSE(std::filesystem::exists(Own() + ".tmp"));
  }
  EXPECT_FALSE(std::filesystem::exists(Own()));
  EXPECT_TRUE(Live().empty());
}

// By its path it would remove another's.
TEST_F(InstanceFileTest, TheFolderMayGetAnotherName) {
  {
    InstanceFile file;
    ASSERT_TRUE(file.Write(Run(), Address::Loopback(AF_INET, 9464)).ok());
    std::filesystem::rename(Run(), folder_ + "/moved");
    ASSERT_EQ(mkdir(Run().c_str(), 0700), 0);
    Leave(std::to_string(getpid()), "another's");
  }
  EXPECT_TRUE(std::filesystem::exists(Own()));
  EXPECT_TRUE(std::filesystem::is_empty(folder_ + "/moved"));
}

TEST_F(InstanceFileTest, WhatACrashLeftIsRemoved) {
  ASSERT_EQ(mkdir(Run().c_str(), 0700), 0);
  Leave("1", "http://127.0.0.1:1\n");
  Leave(std::to_string(getpid()), "http://127.0.0.1:2\n");
  Leave(std::to_string(getpid()) + ".tmp", "http://127.0.0.1:3\n");
  InstanceFile file;
  ASSERT_TRUE(file.Write(Run(), Address::Loopback(AF_INET, 4)).ok());
  const std::vector<Instance> live = Live();
  ASSERT_EQ(live.size(), 1u);
  EXPECT_EQ(live[0].admin.port(), 4);
  EXPECT_FALSE(std::filesystem::exists(Run() + "/1"));
}

TEST_F(InstanceFileTest, PassesOverWhatIsNoInstance) {
  ASSERT_EQ(mkdir(Run().c_str(), 0700), 0);
  Leave("notes", "");
  Leave("12x", "");
  ASSERT_EQ(mkfifo((Run() + "/7").c_str(), 0600), 0);
  ASSERT_EQ(symlink("/etc/passwd", (Run() + "/8").c_str()), 0);
  ASSERT_EQ(mkdir((Run() + "/9").c_str(), 0700), 0);
  EXPECT_TRUE(Live().empty());
  for (const char* name : {"notes", "12x", "7", "8", "9"}) {
    EXPECT_TRUE(std::filesystem::exists(
        std::filesystem::symlink_status(Run() + "/" + name)))
        << name;
  }
}

TEST_F(InstanceFileTest, AFolderOfOthersIsNotTrusted) {
  ASSERT_EQ(mkdir(Run().c_str(), 0700), 0);
  ASSERT_EQ(chmod(Run().c_str(), 0777), 0);
  InstanceFile file;
  EXPECT_TRUE(absl::IsPermissionDenied(
      file.Write(Run(), Address::Loopback(AF_INET, 1))));
  EXPECT_TRUE(absl::IsPermissionDenied(LiveInstances(Run()).status()));
  EXPECT_FALSE(std::filesystem::exists(Own()));
}

TEST_F(InstanceFileTest, AFolderThatCannotBeMadeIsAnError) {
  InstanceFile file;
  EXPECT_TRUE(absl::IsNotFound(
      file.Write(folder_ + "/none/weir", Address::Loopback(AF_INET, 1))));
}

TEST_F(InstanceFileTest, TheFolderIsTheUsers) {
  const char* before = std::getenv("XDG_RUNTIME_DIR");
  const std::string saved = before == nullptr ? "" : before;
  setenv("XDG_RUNTIME_DIR", folder_.c_str(), 1);
  EXPECT_EQ(RunDirectory(), folder_ + "/weir");
  setenv("XDG_RUNTIME_DIR", "/nonexistent", 1);
  EXPECT_EQ(RunDirectory(), "/nonexistent/weir");
  const std::string fallback =
      geteuid() == 0 ? "/run/weir" : "/tmp/weir-" + std::to_string(geteuid());
  setenv("XDG_RUNTIME_DIR", "relative", 1);
  EXPECT_EQ(RunDirectory(), fallback);
  // Of another user, as after su: root's for others, and for root one given
  // away.
  if (geteuid() != 0 || chown(folder_.c_str(), 1, 1) == 0) {
    setenv("XDG_RUNTIME_DIR", geteuid() == 0 ? folder_.c_str() : "/", 1);
    EXPECT_EQ(RunDirectory(), fallback);
  }
  unsetenv("XDG_RUNTIME_DIR");
  EXPECT_EQ(RunDirectory(), fallback);
  if (before != nullptr) setenv("XDG_RUNTIME_DIR", saved.c_str(), 1);
}

}  // namespace
}  // namespace weir
