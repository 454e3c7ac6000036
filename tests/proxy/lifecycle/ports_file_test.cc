#include "proxy/lifecycle/ports_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace weir {
namespace {

class PortsFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/ports.XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Path() const { return folder_ + "/ports"; }

  static std::string Read(const std::string& path) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  std::string folder_;
};

TEST(FormatPorts, IsALineASocket) {
  EXPECT_EQ(FormatPorts({{"pg", "127.0.0.1", 40123},
                         {"pg", "::1", 40123},
                         {"sock", "/run/a b%\n", 0},
                         {"abstract", "@x", 0}}),
            "pg 127.0.0.1 40123\n"
            "pg ::1 40123\n"
            "sock /run/a%20b%25%0A 0\n"
            "abstract @x 0\n");
  EXPECT_EQ(FormatPorts({}), "");
}

TEST_F(PortsFileTest, IsWrittenAndReplaced) {
  ASSERT_TRUE(WritePortsFile(Path(), {{"a", "::1", 1}, {"b", "::1", 2}}).ok());
  EXPECT_EQ(Read(Path()), "a ::1 1\nb ::1 2\n");
  ASSERT_TRUE(WritePortsFile(Path(), {{"c", "::1", 3}}).ok());
  EXPECT_EQ(Read(Path()), "c ::1 3\n");
  EXPECT_EQ(Names(), std::vector<std::string>{"ports"});
}

// Who has the old file open keeps all of it: it was renamed over, not written.
TEST_F(PortsFileTest, IsANewFileEachTime) {
  ASSERT_TRUE(WritePortsFile(Path(), {{"a", "::1", 1}}).ok());
  std::ifstream old(Path());
  ASSERT_TRUE(WritePortsFile(Path(), {{"b", "::1", 2}}).ok());
  std::stringstream text;
  text << old.rdbuf();
  EXPECT_EQ(text.str(), "a ::1 1\n");
}

TEST_F(PortsFileTest, IsReadableByOthers) {
  const mode_t before = umask(0022);
  ASSERT_TRUE(WritePortsFile(Path(), {{"a", "::1", 1}}).ok());
  umask(before);
  struct stat status;
  ASSERT_EQ(stat(Path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0644u);
}

TEST_F(PortsFileTest, ErrorsNameTheFlag) {
  const std::string path = folder_ + "/missing/ports";
  const absl::Status status = WritePortsFile(path, {});
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(std::string(status.message()), "cannot write --ports_file=" + path +
                                               ": No such file or directory");
}

TEST_F(PortsFileTest, LeavesNothingWhenTheRenameFails) {
  std::filesystem::create_directory(Path());
  const absl::Status status = WritePortsFile(Path(), {{"a", "::1", 1}});
  EXPECT_EQ(std::string(status.message()),
            "cannot write --ports_file=" + Path() + ": Is a directory");
  EXPECT_EQ(Names(), std::vector<std::string>{"ports"});
}

TEST(WriteReady, WritesALineAndCloses) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  ASSERT_TRUE(WriteReady(ends[1]).ok());
  char line[16];
  ASSERT_EQ(read(ends[0], line, sizeof(line)), 6);
  EXPECT_EQ(std::string(line, 6), "ready\n");
  EXPECT_EQ(read(ends[0], line, sizeof(line)), 0) << "still open";
  close(ends[0]);
}

// Else the first client would get its number, and what the process prints.
TEST(WriteReady, KeepsAStandardDescriptorTaken) {
  const int kept = dup(STDOUT_FILENO);
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  ASSERT_EQ(dup2(ends[1], STDOUT_FILENO), STDOUT_FILENO);
  close(ends[1]);
  const bool ok = WriteReady(STDOUT_FILENO).ok();
  char line[16];
  const ssize_t ready = read(ends[0], line, sizeof(line));
  const ssize_t end = read(ends[0], line, sizeof(line));
  const bool taken = fcntl(STDOUT_FILENO, F_GETFD) >= 0;
  dup2(kept, STDOUT_FILENO);
  close(kept);
  close(ends[0]);
  EXPECT_TRUE(ok);
  EXPECT_EQ(ready, 6);
  EXPECT_EQ(end, 0) << "still open";
  EXPECT_TRUE(taken);
}

TEST(WriteReady, NamesTheDescriptor) {
  const auto before = signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  close(ends[0]);
  EXPECT_EQ(std::string(WriteReady(ends[1]).message()),
            "cannot write to --ready_fd=" + std::to_string(ends[1]) +
                ": Broken pipe");
  signal(SIGPIPE, before);
}

}  // namespace
}  // namespace weir
