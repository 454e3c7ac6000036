#include "proxy/client/find_weir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "proxy/config/forward_spec.h"
#include "reactor/fd.h"

namespace weir {
namespace {

class FindWeirTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/find.XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // As a process with that pid has it while it lives.
  void Live(int pid, const std::string& text) {
    UniqueFd fd(open((folder_ + "/" + std::to_string(pid)).c_str(),
                     O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(write(fd.get(), text.data(), text.size()),
              static_cast<ssize_t>(text.size()));
    ASSERT_EQ(flock(fd.get(), LOCK_EX), 0);
    files_.push_back(std::move(fd));
  }

  std::string folder_;
  std::vector<UniqueFd> files_;
};

TEST_F(FindWeirTest, TakesTheOneThatIsThere) {
  Live(12, "unix:/run/x\n");
  const absl::StatusOr<FoundWeir> found = FindWeir({}, folder_);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->admin.ToString(), "unix:/run/x");
  EXPECT_FALSE(found->guessed);
  EXPECT_TRUE(CheckNotGuessed(*found).ok());
}

TEST_F(FindWeirTest, AsksWhichOfSeveral) {
  Live(112, "unix:/run/x\n");
  Live(12, "http://127.0.0.1:5\n");
  const absl::Status status = FindWeir({}, folder_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_EQ(status.message(),
            "2 weirs run: pid 12 at 127.0.0.1:5, pid 112 at unix:/run/x; "
            "--admin=ADDRESS says which");
}

TEST_F(FindWeirTest, GuessesWhenThereIsNone) {
  for (const std::string& folder : {folder_, folder_ + "/none"}) {
    const absl::StatusOr<FoundWeir> found = FindWeir({}, folder);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(found->admin.ToString(), "127.0.0.1:9464");
    EXPECT_TRUE(found->guessed);
    EXPECT_EQ(
        Unreachable(*found, absl::UnavailableError("127.0.0.1:9464: refused"))
            .message(),
        "no weir of this user runs, and none answers at the default address "
        "(127.0.0.1:9464: refused); --admin=ADDRESS says where one is");
    EXPECT_EQ(
        CheckNotGuessed(*found).message(),
        "no weir of this user runs; what is at the default address may be "
        "another's: --admin=127.0.0.1:9464 if it is meant");
  }
}

TEST_F(FindWeirTest, WhatIsSaidWins) {
  Live(12, "unix:/run/x\n");
  ListenSpec place;
  place.kind = ListenSpec::Kind::kHostPort;
  place.host = "::1";
  place.port = 7;
  EXPECT_EQ(FindWeir(place, folder_)->admin.ToString(), "[::1]:7");
  place.kind = ListenSpec::Kind::kUnix;
  place.path = "/run/y";
  EXPECT_EQ(FindWeir(place, folder_)->admin.ToString(), "unix:/run/y");
  place.path = "@y";
  EXPECT_EQ(FindWeir(place, folder_)->admin.ToString(), "unix:@y");
  place.path = std::string(200, 'y');
  EXPECT_FALSE(FindWeir(place, folder_).ok());
  const absl::Status refused = absl::UnavailableError("x: refused");
  EXPECT_EQ(Unreachable({}, refused), refused);
}

}  // namespace
}  // namespace weir
