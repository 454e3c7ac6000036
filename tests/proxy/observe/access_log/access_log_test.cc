// From the rings of the loops to the file.

#include "proxy/observe/access_log/access_log.h"

#include <errno.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "metrics/registry.h"
#include "tests/proxy/observe/access_log/fake_disk.h"

namespace weir {
namespace {

class AccessLogTest : public LogRig {
 protected:
  void SetUp() override {
    LogRig::SetUp();
    Make();
  }
  ~AccessLogTest() override { log_.reset(); }

  void Make() {
    AccessLog::Options options;
    options.reactor = reactor_.get();
    options.queue = queue_.get();
    options.path = path_;
    options.loops = 2;
    options.sink.ring_bytes = kRing;
    options.sink.clock = &clock_;
    options.say = [this](LogLevel, std::string_view text) {
      said_.emplace_back(text);
    };
    log_ = std::make_unique<AccessLog>(std::move(options));
    Settle();
  }

  void Line(size_t loop, uint64_t id = 1) {
    AccessRecord record;
    record.forward = "pg";
    record.connection = id;
    record.reactor = loop;
    log_->sink(loop)->Line(record);
    ++given_;
  }
  size_t LinesOf(const std::string& path) {
    const std::string text = Contents(path);
    return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
  }
  void Flush() {
    log_->BeginFlush();
    for (int i = 0; i < 50 && !log_->flushed(); ++i) {
      Elapse(std::chrono::milliseconds(100));
    }
    log_->EndFlush();
  }
  // Every line is somewhere, once.
  void Expect(uint64_t lines, uint64_t dropped) {
    EXPECT_EQ(log_->status().lines, lines);
    EXPECT_EQ(log_->status().dropped, dropped);
    EXPECT_EQ(lines + dropped, given_);
    EXPECT_EQ(LinesOf(path_), lines);
  }

  static constexpr size_t kRing = 1 << 20;
  uint64_t given_ = 0;
  std::vector<std::string> said_;
  std::unique_ptr<AccessLog> log_;
};

TEST_F(AccessLogTest, WritesWhatTheLoopsSay) {
  EXPECT_EQ(log_->status().state, "writing");
  Line(0);
  Line(1);
  Settle();
  Expect(2, 0);
  EXPECT_TRUE(log_->status().up);
  EXPECT_TRUE(said_.empty());
}

TEST_F(AccessLogTest, WritesTwentyTimesASecondAtMost) {
  for (int ms = 0; ms < 1000; ms += 10) {
    Line(0);
    Elapse(std::chrono::milliseconds(10));
  }
  EXPECT_LE(disk_.writes, 20);
  EXPECT_GE(disk_.writes, 10);
  Settle();
  Expect(100, 0);
  const int writes = disk_.writes;
  Elapse(std::chrono::seconds(1));
  EXPECT_EQ(disk_.writes, writes);
}

TEST_F(AccessLogTest, WritesFullBatchesOneAfterAnother) {
  const uint64_t lines = 3000;
  for (uint64_t i = 0; i < lines; ++i) Line(i % 2, i);
  // Less than a delay for each batch.
  Elapse(AccessLog::kDelay / 2);
  const auto size = std::filesystem::file_size(path_);
  EXPECT_GT(size, AccessLog::kBatch);
  Settle();
  Expect(lines, 0);
  EXPECT_GE(disk_.writes, 3);
}

TEST_F(AccessLogTest, DropsWhatFindsNoRoomWhileAWriteHangs) {
  disk_.Hang();
  Line(0);
  Settle();
  while (log_->sink(0)->dropped().Value() < 10) Line(0);
  Elapse(AccessLog::kHang);
  EXPECT_FALSE(log_->status().up);
  EXPECT_EQ(log_->status().state, "hanging: a write does not return");
  EXPECT_EQ(log_->status().lines, 0u);
  disk_.LetGo();
  Settle();
  EXPECT_TRUE(log_->status().up);
  Expect(given_ - 10, 10);
}

TEST_F(AccessLogTest, TriesAFullDiskWithOneLine) {
  disk_.error = ENOSPC;
  for (int i = 0; i < 5; ++i) Line(0);
  Settle();
  EXPECT_EQ(log_->status().dropped, 5u);
  EXPECT_EQ(log_->status().state.substr(0, 9), "failing: ");
  EXPECT_FALSE(log_->status().up);
  for (int i = 0; i < 20; ++i) Line(1);
  Elapse(3 * LogFile::kRetry);
  EXPECT_EQ(log_->status().dropped, 8u);
  disk_.error = 0;
  Elapse(2 * LogFile::kRetry);
  Expect(17, 8);
  EXPECT_EQ(log_->status().state, "writing");
  ASSERT_EQ(said_.size(), 2u);
  EXPECT_EQ(said_[0],
            "access log: cannot write: No space left on device; tried again "
            "each second");
  EXPECT_EQ(said_[1],
            "access log: " + path_ + " takes lines again, 3 were dropped");
}

TEST_F(AccessLogTest, ReopensAndLosesNothing) {
  Line(0);
  Settle();
  Rename();
  Line(0);
  log_->Reopen();
  Settle();
  Line(1);
  Settle();
  EXPECT_EQ(LinesOf(path_) + LinesOf(path_ + ".1"), 3u);
  EXPECT_EQ(LinesOf(path_), 1u);
  EXPECT_EQ(log_->status().dropped, 0u);
}

TEST_F(AccessLogTest, FlushWritesAll) {
  for (int i = 0; i < 3000; ++i) Line(static_cast<size_t>(i) % 2);
  Flush();
  Expect(3000, 0);
  EXPECT_TRUE(said_.empty());
}

TEST_F(AccessLogTest, FlushCountsWhatADiskThatHangsDoesNotTake) {
  disk_.Hang();
  Line(0);
  Settle();
  for (int i = 0; i < 4; ++i) Line(1);
  Flush();
  Expect(0, 5);
  ASSERT_EQ(said_.size(), 1u);
  EXPECT_EQ(said_[0], "access log: 5 lines were not written: " + path_ +
                          " did not take them in time");
}

TEST_F(AccessLogTest, FlushTriesAFileThatFailsOnce) {
  disk_.error = EIO;
  Line(0);
  Settle();
  for (int i = 0; i < 4; ++i) Line(0);
  log_->BeginFlush();
  Settle();
  EXPECT_TRUE(log_->flushed());
  log_->EndFlush();
  Expect(0, 5);
}

TEST_F(AccessLogTest, FlushAfterAFailureWritesWhatWaited) {
  disk_.error = EIO;
  Line(0);
  Settle();
  for (int i = 0; i < 4; ++i) Line(0);
  disk_.error = 0;
  Flush();
  Expect(4, 1);
}

TEST_F(AccessLogTest, HasItsMetrics) {
  Registry registry;
  log_->Register(&registry);
  const std::string start = registry.Serialize();
  for (const char* reason : {"full", "output", "exit"}) {
    EXPECT_NE(start.find("weir_access_log_dropped_total{reason=\"" +
                         std::string(reason) + "\"} 0\n"),
              std::string::npos);
  }
  EXPECT_NE(start.find("weir_access_log_up 1\n"), std::string::npos);
  Line(0);
  Settle();
  disk_.error = EIO;
  Line(0);
  Settle();
  const std::string end = registry.Serialize();
  for (const char* sample :
       {"weir_access_log_lines_total 1\n", "weir_access_log_up 0\n",
        "weir_access_log_dropped_total{reason=\"output\"} 1\n",
        "weir_access_log_reopens_total 0\n"}) {
    EXPECT_NE(end.find(sample), std::string::npos) << sample;
  }
  EXPECT_NE(end.find("weir_access_log_bytes_total " +
                     std::to_string(std::filesystem::file_size(path_))),
            std::string::npos);
}

}  // namespace
}  // namespace weir
