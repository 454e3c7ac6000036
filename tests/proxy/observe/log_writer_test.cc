#include "proxy/observe/log_writer.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "metrics/instrument.h"
#include "reactor/clock.h"

namespace weir {
namespace {

using std::chrono::steady_clock;

// Always 14:03:07.112 of the first of January 1970.
class FixedClock : public Clock {
 public:
  MonoTime Now() override { return MonoTime(); }
  int64_t WallNanos() override { return 50'587'112'000'000; }
};

class Pipe {
 public:
  Pipe() { EXPECT_EQ(pipe2(fds_, O_CLOEXEC), 0); }
  ~Pipe() {
    CloseRead();
    CloseWrite();
  }

  int read_fd() const { return fds_[0]; }
  int write_fd() const { return fds_[1]; }
  void CloseRead() { CloseEnd(0); }
  void CloseWrite() { CloseEnd(1); }

  // Until a write would block.
  void Fill() {
    ASSERT_EQ(fcntl(write_fd(), F_SETFL, O_NONBLOCK), 0);
    const std::string block(4096, '.');
    for (size_t size = block.size(); size > 0; size /= 2) {
      while (write(write_fd(), block.data(), size) > 0) {
      }
    }
    ASSERT_EQ(fcntl(write_fd(), F_SETFL, 0), 0);
  }

  // Blocks until `lines` lines came; returns what was read.
  std::string ReadLines(std::ptrdiff_t lines) {
    std::string text;
    while (std::count(text.begin(), text.end(), '\n') < lines &&
           ReadSome(&text)) {
    }
    return text;
  }

  // Until every writer has closed.
  std::string ReadAll() {
    CloseWrite();
    std::string text;
    while (ReadSome(&text)) {
    }
    return text;
  }

 private:
  void CloseEnd(int i) {
    if (fds_[i] >= 0) close(fds_[i]);
    fds_[i] = -1;
  }
  bool ReadSome(std::string* text) {
    char data[4096];
    const ssize_t n = read(read_fd(), data, sizeof(data));
    if (n > 0) text->append(data, static_cast<size_t>(n));
    return n > 0;
  }

  int fds_[2] = {-1, -1};
};

class LogWriterTest : public testing::Test {
 protected:
  LogWriterTest() {
    setenv("TZ", "UTC0", 1);
    tzset();
  }

  LogWriter::Options Options(LogLevel level = LogLevel::kInfo) {
    LogWriter::Options options;
    options.fd = pipe_.write_fd();
    options.level = level;
    options.clock = &clock_;
    return options;
  }

  FixedClock clock_;
  Pipe pipe_;
};

TEST_F(LogWriterTest, WritesTimedAndPlainLines) {
  {
    LogWriter writer(Options());
    LogSink* sink = writer.NewSink();
    sink->Plain(LogLevel::kInfo, "weir 0.1.0");
    sink->Line(LogLevel::kWarning, "pg#17\nforged");
  }
  EXPECT_EQ(pipe_.ReadAll(), "weir 0.1.0\n14:03:07.112 pg#17\\x0aforged\n");
}

TEST_F(LogWriterTest, WakesForEachLineWhileItSleeps) {
  LogWriter writer(Options());
  LogSink* sink = writer.NewSink();
  for (int i = 0; i < 200; ++i) {
    sink->Plain(LogLevel::kInfo, std::to_string(i));
    ASSERT_EQ(pipe_.ReadLines(1), std::to_string(i) + "\n");
  }
}

TEST_F(LogWriterTest, LevelsLeaveOut) {
  {
    LogWriter writer(Options(LogLevel::kError));
    LogSink* sink = writer.NewSink();
    EXPECT_TRUE(sink->Wants(LogLevel::kError));
    EXPECT_FALSE(sink->Wants(LogLevel::kWarning));
    sink->Plain(LogLevel::kError, "1");
    sink->Plain(LogLevel::kWarning, "2");
    writer.SetLevel(LogLevel::kInfo);
    EXPECT_FALSE(sink->Wants(LogLevel::kVerbose));
    sink->Plain(LogLevel::kInfo, "3");
    sink->Plain(LogLevel::kVerbose, "4");
    writer.SetLevel(LogLevel::kVerbose);
    sink->Plain(LogLevel::kVerbose, "5");
    EXPECT_EQ(sink->dropped().Value(), 0u);
  }
  EXPECT_EQ(pipe_.ReadAll(), "1\n3\n5\n");
}

TEST_F(LogWriterTest, LongTextsAreCutToWhatAPipeTakesWhole) {
  {
    LogWriter writer(Options());
    LogSink* sink = writer.NewSink();
    sink->Plain(LogLevel::kInfo, std::string(LogSink::kMaxText, 'a'));
    sink->Plain(LogLevel::kInfo, std::string(LogSink::kMaxText + 1, 'b'));
    sink->Line(LogLevel::kInfo, std::string(100'000, '\x01'));
  }
  std::string escaped;
  for (size_t i = 0; i < LogSink::kMaxText - 3; ++i) escaped += "\\x01";
  EXPECT_EQ(pipe_.ReadAll(), std::string(LogSink::kMaxText, 'a') + "\n" +
                                 std::string(LogSink::kMaxText - 3, 'b') +
                                 "...\n14:03:07.112 " + escaped + "...\n");
}

TEST_F(LogWriterTest, ManyProducersEachInOrder) {
  constexpr int kProducers = 3;
  constexpr int kLines = 2000;
  std::string text;
  std::thread reader([&] { text = pipe_.ReadLines(kProducers * kLines); });
  {
    LogWriter::Options options = Options();
    options.exit_wait = std::chrono::seconds(60);
    LogWriter writer(options);
    std::vector<std::thread> producers;
    for (int p = 0; p < kProducers; ++p) {
      // Sinks may come while others write.
      producers.emplace_back([sink = writer.NewSink(), p] {
        for (int i = 0; i < kLines; ++i) {
          sink->Plain(LogLevel::kInfo,
                      std::to_string(p) + " " + std::to_string(i));
        }
      });
    }
    for (std::thread& producer : producers) producer.join();
  }
  reader.join();
  std::vector<int> next(kProducers, 0);
  size_t begin = 0;
  for (size_t end; (end = text.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    const std::string line = text.substr(begin, end - begin);
    int& expected = next.at(static_cast<size_t>(line[0] - '0'));
    ASSERT_EQ(line.substr(2), std::to_string(expected));
    ++expected;
  }
  EXPECT_EQ(next, std::vector<int>(kProducers, kLines));
}

// The rule that everything here serves: stderr is a full pipe that nobody
// reads, and neither a producer nor the exit waits for it.
TEST_F(LogWriterTest, AFullPipeBlocksNobody) {
  pipe_.Fill();
  LogWriter::Options options = Options();
  options.ring_bytes = 4096;
  auto writer = std::make_unique<LogWriter>(options);
  LogSink* sink = writer->NewSink();
  constexpr uint64_t kLines = 10'000;
  const std::string line(100, 'x');
  for (uint64_t i = 0; i < kLines; ++i) sink->Line(LogLevel::kInfo, line);
  // What was not dropped lies in the ring and in the writer's one batch.
  const uint64_t dropped = sink->dropped().Value();
  EXPECT_GE(dropped, kLines - 2 * 4096 / 100 - 2);
  EXPECT_LT(dropped, kLines);

  const auto before = steady_clock::now();
  writer.reset();
  const auto took = steady_clock::now() - before;
  EXPECT_GE(took, options.exit_wait);
  // Only a writer that waits for the pipe passes this.
  EXPECT_LT(took, std::chrono::seconds(20));
  // The thread that was left behind ends once it can write, and touches nothing
  // that is gone: it holds the pipe open until then.
  const std::string text = pipe_.ReadAll();
  EXPECT_NE(text.find("14:03:07.112 xxxx"), std::string::npos);
}

TEST_F(LogWriterTest, TellsHowManyWereDropped) {
  pipe_.Fill();
  LogWriter::Options options = Options();
  options.ring_bytes = 4096;
  options.exit_wait = std::chrono::seconds(60);
  uint64_t dropped = 0;
  std::string text;
  std::thread reader;
  {
    LogWriter writer(options);
    LogSink* sink = writer.NewSink();
    for (int i = 0; i < 1000; ++i) sink->Plain(LogLevel::kInfo, "line");
    dropped = sink->dropped().Value();
    ASSERT_GT(dropped, 0u);
    pipe_.CloseWrite();
    reader = std::thread([&] { text = pipe_.ReadAll(); });
  }
  reader.join();
  // The notices (one a pass over the ring) add up.
  uint64_t told = 0;
  const std::string notice = " log lines dropped: the output is too slow\n";
  for (size_t at = 0; (at = text.find(notice, at)) != std::string::npos; ++at) {
    told += std::stoull(text.substr(text.rfind('\n', at) + 1));
  }
  EXPECT_EQ(told, dropped);
}

TEST_F(LogWriterTest, NeverMakesTheOutputNonBlocking) {
  LogWriter writer(Options());
  writer.NewSink()->Plain(LogLevel::kInfo, "x");
  EXPECT_EQ(pipe_.ReadLines(1), "x\n");
  EXPECT_EQ(fcntl(pipe_.write_fd(), F_GETFL) & O_NONBLOCK, 0);
}

// Somebody else made the shared stderr non-blocking: no line is lost for it.
TEST_F(LogWriterTest, WaitsForRoomOnANonBlockingOutput) {
  ASSERT_EQ(fcntl(pipe_.write_fd(), F_SETFL, O_NONBLOCK), 0);
  constexpr int kLines = 5000;
  LogWriter::Options options = Options();
  options.ring_bytes = size_t{1} << 20;
  LogWriter writer(options);
  LogSink* sink = writer.NewSink();
  const std::string line(100, 'x');
  for (int i = 0; i < kLines; ++i) sink->Plain(LogLevel::kInfo, line);
  const std::string text = pipe_.ReadLines(kLines);
  EXPECT_EQ(text.size(), kLines * (line.size() + 1));
  EXPECT_EQ(writer.unwritten(), 0u);
}

TEST_F(LogWriterTest, AClosedPipeIsCountedAndNoSignal) {
  LogWriter::Options options = Options();
  pipe_.CloseRead();
  LogWriter writer(options);
  writer.NewSink()->Plain(LogLevel::kInfo, "x");
  const auto bound = steady_clock::now() + std::chrono::seconds(60);
  while (writer.unwritten() == 0 && steady_clock::now() < bound) {
    std::this_thread::yield();
  }
  EXPECT_EQ(writer.unwritten(), 1u);
}

TEST_F(LogWriterTest, WithoutAnOutputEveryLineIsDropped) {
  LogWriter::Options options = Options();
  options.fd = -1;
  LogWriter writer(options);
  LogSink* sink = writer.NewSink();
  sink->Plain(LogLevel::kError, "x");
  EXPECT_EQ(sink->dropped().Value(), 1u);
}

}  // namespace
}  // namespace weir
