// The file of the access log when all goes well, and when nothing does.

#include "proxy/observe/access_log/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "reactor/errno_status.h"
#include "reactor/fd.h"
#include "tests/proxy/observe/access_log/fake_disk.h"

namespace weir {
namespace {

using State = LogFile::State;

class LogFileTest : public LogRig {
 protected:
  void SetUp() override {
    LogRig::SetUp();
    Make();
  }
  ~LogFileTest() override { file_.reset(); }

  void Make() {
    file_ = std::make_unique<LogFile>(
        LogFile::Options{.reactor = reactor_.get(),
                         .queue = queue_.get(),
                         .path = path_,
                         .changed = [this] { ++changes_; }});
    Settle();
  }

  // `lines` lines of 8 bytes, numbered on.
  std::string Lines(size_t lines) {
    std::string batch;
    for (size_t i = 0; i < lines; ++i) {
      batch += "line" + std::to_string(100 + given_++) + "\n";
    }
    return batch;
  }
  // Also lets it settle.
  void Write(size_t lines) {
    ASSERT_EQ(file_->state(), State::kReady);
    file_->Write(Lines(lines), lines);
    Settle();
  }

  // Somebody else does.
  void Append(const std::string& text) {
    std::ofstream(path_, std::ios::app) << text;
  }

  // Lines in the file, and those that were dropped. Every other that was given
  // to it is on its way.
  void Expect(uint64_t lines, uint64_t dropped) {
    EXPECT_EQ(file_->metrics().lines.Value(), lines);
    EXPECT_EQ(file_->metrics().dropped.Value(), dropped);
  }
  // Lines `first` to `last - 1`.
  static std::string Numbers(size_t first, size_t last) {
    std::string text;
    for (; first < last; ++first) {
      text += "line" + std::to_string(100 + first) + "\n";
    }
    return text;
  }

  size_t given_ = 0;
  int changes_ = 0;
  std::unique_ptr<LogFile> file_;
};

TEST_F(LogFileTest, WritesInOrder) {
  Write(3);
  Write(2);
  EXPECT_EQ(Contents(path_), Numbers(0, 5));
  Expect(5, 0);
  EXPECT_EQ(file_->metrics().bytes.Value(), 40u);
  EXPECT_EQ(file_->metrics().reopens.Value(), 0u);
  EXPECT_TRUE(file_->trouble().ok());
}

TEST_F(LogFileTest, GoesOnAfterShortWrites) {
  disk_.most = 5;
  Write(4);
  EXPECT_EQ(Contents(path_), Numbers(0, 4));
  Expect(4, 0);
}

TEST_F(LogFileTest, CompletesALineThatAFullDiskCut) {
  disk_.room = 2 * 8 + 3;
  Write(5);
  EXPECT_EQ(file_->state(), State::kFailing);
  EXPECT_EQ(ErrnoOf(file_->trouble()), ENOSPC);
  Expect(2, 2);    // and the third waits for its rest
  disk_.room = 2;  // of the rest
  Elapse(LogFile::kRetry);
  Settle();
  EXPECT_EQ(file_->state(), State::kFailing);
  Expect(2, 2);
  EXPECT_EQ(Contents(path_), Numbers(0, 3).substr(0, 21));
  disk_.room = FakeDisk::kEndless;
  Elapse(LogFile::kRetry);
  Settle();
  // Without a further line.
  EXPECT_EQ(file_->state(), State::kReady);
  EXPECT_TRUE(file_->trouble().ok());
  EXPECT_EQ(Contents(path_), Numbers(0, 3));
  Expect(3, 2);
  Write(2);
  EXPECT_EQ(Contents(path_), Numbers(0, 3) + Numbers(5, 7));
  Expect(5, 2);
  EXPECT_EQ(file_->metrics().bytes.Value(), 40u);
}

TEST_F(LogFileTest, ACutLineThatIsCompletedAndTheNextIsCut) {
  disk_.room = 3;
  Write(1);
  disk_.room = 5 + 8 + 6;
  Elapse(LogFile::kRetry);
  Settle();
  Write(3);
  Expect(2, 1);  // the third line of this batch
  EXPECT_EQ(Contents(path_), Numbers(0, 3).substr(0, 22));
  disk_.room = FakeDisk::kEndless;
  Elapse(LogFile::kRetry);
  Settle();
  Write(1);
  EXPECT_EQ(Contents(path_), Numbers(0, 3) + Numbers(4, 5));
  Expect(4, 1);
}

TEST_F(LogFileTest, DropsTheRestOfALineWhoseFileWasRenamed) {
  disk_.room = 11;
  Write(2);
  Expect(1, 0);
  Rename();
  const std::string other = "a line of somebody else\n";
  std::ofstream(path_) << other;
  disk_.room = FakeDisk::kEndless;
  Elapse(LogFile::kRetry);
  Write(1);
  EXPECT_EQ(Contents(path_), other + Numbers(2, 3));
  Expect(2, 1);
}

TEST_F(LogFileTest, DropsTheRestOfALineWhoseFileWasCut) {
  disk_.room = 11;
  Write(2);
  std::filesystem::resize_file(path_, 2);
  disk_.room = FakeDisk::kEndless;
  Elapse(LogFile::kRetry);
  Write(1);
  EXPECT_EQ(Contents(path_), "li\n" + Numbers(2, 3));
  Expect(2, 1);
}

TEST_F(LogFileTest, EndsAHalfLineOfAnEarlierProcess) {
  Append("half");
  Make();
  EXPECT_EQ(file_->state(), State::kReady);
  Write(1);
  EXPECT_EQ(Contents(path_), "half\n" + Numbers(0, 1));
  Expect(1, 0);
  EXPECT_EQ(file_->metrics().bytes.Value(), 9u);
  Make();  // whose last line is whole
  Write(1);
  EXPECT_EQ(Contents(path_), "half\n" + Numbers(0, 2));
}

TEST_F(LogFileTest, EndsAHalfLineInTheFileThatARenamePutThere) {
  for (const bool told : {false, true}) {
    Write(1);
    Rename();
    Append("half");
    if (told) {
      file_->Reopen();
      Settle();
    } else {
      Elapse(LogFile::kLook);
    }
    Write(1);
    EXPECT_EQ(Contents(path_), "half\n" + Numbers(given_ - 1, given_));
    Expect(given_, 0);
  }
}

TEST_F(LogFileTest, CountsNoHalfLineOfAnother) {
  // Room for so much of a newline and three lines; a cut one is completed.
  for (const auto& [room, lines] :
       {std::pair<size_t, size_t>{0, 0}, {1, 0}, {4, 1}, {10, 2}}) {
    SCOPED_TRACE(room);
    Make();
    given_ = 0;
    std::filesystem::remove_all(folder_ + "/log");
    Elapse(LogFile::kLook);
    Write(3);
    ASSERT_EQ(file_->state(), State::kFailing);
    std::filesystem::create_directory(folder_ + "/log");
    Append("half");
    disk_.room = room;
    Elapse(LogFile::kRetry);
    Settle();
    EXPECT_EQ(ErrnoOf(file_->trouble()), ENOSPC);
    disk_.room = FakeDisk::kEndless;
    Elapse(LogFile::kRetry);
    Settle();
    EXPECT_EQ(file_->state(), State::kReady);
    EXPECT_EQ(Contents(path_), "half\n" + Numbers(0, lines));
    Expect(lines, 3 - lines);
    EXPECT_EQ(file_->Abandon(), 0u);
  }
}

// What is on its way may have come so far: it is no half line of another's.
TEST_F(LogFileTest, LeavesAHalfLineAloneInTheFileThatItHas) {
  Append("half");
  file_->Reopen();
  Settle();
  EXPECT_EQ(Contents(path_), "half");
}

TEST_F(LogFileTest, CountsWhatNoWriteTook) {
  disk_.error = EIO;
  Write(4);
  EXPECT_EQ(ErrnoOf(file_->trouble()), EIO);
  Expect(0, 4);
  Elapse(LogFile::kRetry);
  Write(1);
  Expect(0, 5);
  disk_.error = 0;
  Elapse(LogFile::kRetry);
  Write(1);
  EXPECT_EQ(Contents(path_), Numbers(5, 6));
  Expect(1, 5);
}

TEST_F(LogFileTest, GoesOnInTheNewFileAfterARename) {
  Write(1);
  Rename();
  Write(1);  // the path was looked at just now
  Elapse(LogFile::kLook);
  Write(2);
  EXPECT_EQ(Contents(path_ + ".1"), Numbers(0, 2));
  EXPECT_EQ(Contents(path_), Numbers(2, 4));
  Expect(4, 0);
  EXPECT_EQ(file_->metrics().reopens.Value(), 1u);
}

TEST_F(LogFileTest, StaysWithAFileThatIsStillThere) {
  for (int i = 0; i < 3; ++i) {
    Elapse(LogFile::kLook);
    Write(1);
  }
  EXPECT_EQ(Contents(path_), Numbers(0, 3));
  EXPECT_EQ(file_->metrics().reopens.Value(), 0u);
  file_->Reopen();
  Write(1);
  EXPECT_EQ(Contents(path_), Numbers(0, 4));
  EXPECT_EQ(file_->metrics().reopens.Value(), 1u);
  Expect(4, 0);
}

TEST_F(LogFileTest, ReopensWhileAWriteHangsAndLosesNothing) {
  disk_.Hang();
  Write(2);
  Rename();
  file_->Reopen();
  Elapse(LogFile::kOldFile - std::chrono::milliseconds(300));
  EXPECT_EQ(file_->state(), State::kWriting);
  disk_.LetGo();
  Settle();
  Write(1);
  EXPECT_EQ(Contents(path_ + ".1"), Numbers(0, 2));
  EXPECT_EQ(Contents(path_), Numbers(2, 3));
  Expect(3, 0);
}

TEST_F(LogFileTest, GivesTheOldFileUp) {
  disk_.room = 3;
  Write(1);
  disk_.room = FakeDisk::kEndless;
  disk_.Hang();
  Elapse(LogFile::kRetry);
  Settle();
  ASSERT_EQ(file_->state(), State::kWriting);  // the rest of the cut line
  Rename();
  file_->Reopen();
  Elapse(LogFile::kOldFile + std::chrono::milliseconds(50));
  ASSERT_EQ(file_->state(), State::kReady);
  Expect(0, 1);
  EXPECT_EQ(queue_->size(), 1u);
  EXPECT_EQ(disk_.hung(), 1u);
  disk_.LetGo();
  Write(1);
  EXPECT_EQ(Contents(path_), Numbers(1, 2));
  EXPECT_EQ(queue_->size(), 0u);
  Expect(1, 1);
}

TEST_F(LogFileTest, KeepsItsBatchWhileTheDirectoryIsGone) {
  std::filesystem::rename(folder_ + "/log", folder_ + "/away");
  Elapse(LogFile::kLook);
  Write(2);
  EXPECT_EQ(file_->state(), State::kFailing);
  EXPECT_EQ(ErrnoOf(file_->trouble()), ENOENT);
  Elapse(3 * LogFile::kRetry);
  EXPECT_EQ(file_->state(), State::kFailing);
  Expect(0, 0);
  std::filesystem::create_directory(folder_ + "/log");
  Elapse(LogFile::kRetry + std::chrono::milliseconds(200));
  EXPECT_EQ(file_->state(), State::kReady);
  EXPECT_TRUE(file_->trouble().ok());
  EXPECT_EQ(Contents(path_), Numbers(0, 2));
  Expect(2, 0);
}

TEST_F(LogFileTest, WaitsForTheReaderOfAFifo) {
  path_ = folder_ + "/fifo";
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  Make();
  EXPECT_EQ(file_->state(), State::kFailing);
  EXPECT_EQ(ErrnoOf(file_->trouble()), ENXIO);
  UniqueFd reader(open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  Elapse(LogFile::kRetry);
  Write(1);
  char bytes[100];
  EXPECT_EQ(read(reader.get(), bytes, sizeof(bytes)), 8);
  Expect(1, 0);
}

TEST_F(LogFileTest, AbandonCountsWhatIsOnItsWay) {
  disk_.room = 11;
  Write(2);
  disk_.room = FakeDisk::kEndless;
  Elapse(LogFile::kRetry);
  Settle();
  Expect(2, 0);
  disk_.Hang();
  Write(3);
  EXPECT_EQ(file_->Abandon(), 3u);
  Expect(2, 0);
  disk_.LetGo();
  Settle();
  Expect(2, 0);
  EXPECT_EQ(queue_->size(), 0u);
}

TEST_F(LogFileTest, AbandonCountsALineThatIsCut) {
  disk_.room = 11;
  Write(2);
  EXPECT_EQ(file_->Abandon(), 1u);
  Expect(1, 0);
}

TEST_F(LogFileTest, MayBeDestroyedAtAnyTime) {
  file_->Reopen();
  file_.reset();
  Settle();
  Make();
  disk_.Hang();
  Write(1);
  Rename();
  file_->Reopen();
  AwaitFileThreads();
  file_.reset();
  disk_.LetGo();
  Settle();
  EXPECT_EQ(queue_->size(), 0u);
}

}  // namespace
}  // namespace weir
