#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "reactor/async_file/async_file.h"
#include "reactor/async_file/completion.h"
#include "reactor/clock.h"
#include "reactor/errno_status.h"
#include "reactor/fd.h"
#include "reactor/poller.h"
#include "reactor/signals.h"
#include "tests/reactor/async_file/async_file_rig.h"
#include "tests/support/as_nobody.h"
#include "tests/support/manual_clock.h"

namespace weir {
namespace {

using OpenFor = AsyncFile::OpenFor;
using std::chrono::milliseconds;

TEST_P(AsyncFileContract, WritesAndReadsAtOffsets) {
  Put(Path("f"), "0123456789");
  const File file =
      Wrap(UniqueFd(open(Path("f").c_str(), O_RDWR | O_CLOEXEC)), true);
  const AsyncFile::Result written = Write(file.get(), 3, "abc");
  EXPECT_TRUE(written.status.ok()) << written.status;
  EXPECT_EQ(written.size, 3u);
  EXPECT_EQ(written.buffer, "abc");
  const AsyncFile::Result read = Read(file.get(), 2, 5);
  EXPECT_TRUE(read.status.ok()) << read.status;
  EXPECT_EQ(read.buffer, "2abc6");
  EXPECT_EQ(Write(file.get(), 0, "").size, 0u);
}

TEST_P(AsyncFileContract, ReadsUpToTheEnd) {
  Put(Path("f"), "0123456789");
  const File file = Open(Path("f"), OpenFor::kReading);
  EXPECT_TRUE(file->regular());
  EXPECT_EQ(file->size(), 10u);
  const AsyncFile::Result last = Read(file.get(), 7, 100);
  EXPECT_TRUE(last.status.ok()) << last.status;
  EXPECT_EQ(last.buffer, "789");
  EXPECT_EQ(last.size, 3u);
  const AsyncFile::Result behind = Read(file.get(), 10, 1);
  EXPECT_TRUE(behind.status.ok()) << behind.status;
  EXPECT_EQ(behind.size, 0u);
}

// Each write is cut to pieces, and none of another line comes between them.
TEST_P(AsyncFileContract, AppendsInOrderHoweverShortTheWritesAre) {
  Put(Path("f"), "before\n");
  calls_.Shorten(3);
  const File file = Open(Path("f"));
  std::string expected = "before\n";
  std::vector<Outcome> outcomes(20);
  std::vector<size_t> order;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    const std::string line = absl::StrCat("line ", i, "\n");
    expected += line;
    ASSERT_TRUE(file->Append(line,
                             [&, i](AsyncFile::Result result) {
                               order.push_back(i);
                               outcomes[i] = std::move(result);
                             })
                    .ok());
  }
  Outcome synced;
  ASSERT_TRUE(file->Sync(Into(&synced)).ok());
  ASSERT_TRUE(RunUntilOver(synced));
  EXPECT_TRUE(synced->status.ok()) << synced->status;
  EXPECT_EQ(order.size(), outcomes.size());  // all before the sync
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  for (const Outcome& outcome : outcomes) {
    ASSERT_TRUE(outcome.has_value());
    EXPECT_TRUE(outcome->status.ok()) << outcome->status;
    EXPECT_EQ(outcome->size, outcome->buffer.size());
  }
  EXPECT_EQ(Contents(Path("f")), expected);
  EXPECT_EQ(Metric("file_requests_total{kind=\"write\"}"), 20);
  EXPECT_EQ(Metric("file_requests_total{kind=\"sync\"}"), 1);
  // "line N\n" takes 3 submissions, and so does "line NN\n".
  EXPECT_EQ(Metric("file_resubmissions_total"), 40);
}

// With offsets of its own, it writes where the last write ended.
TEST_P(AsyncFileContract, AppendsBehindOthersButWhereSignalsTell) {
  const File file = Open(Path("f"));
  EXPECT_TRUE(Append(file.get(), "a").status.ok());
  std::ofstream(Path("f"), std::ios::app) << "other";
  EXPECT_TRUE(Append(file.get(), "b").status.ok());
  EXPECT_EQ(Contents(Path("f")), Signalled() ? "abther" : "aotherb");
}

TEST_P(AsyncFileContract, KnowsWhetherAFileEndsWithinALine) {
  for (const auto& [text, torn] : {std::pair<std::string, bool>{"", false},
                                   {"\n", false},
                                   {"line\n", false},
                                   {"li", true},
                                   {"line\nli", true}}) {
    Put(Path("f"), text);
    EXPECT_EQ(Open(Path("f"))->torn(), torn) << text;
    EXPECT_FALSE(Open(Path("f"), OpenFor::kReading)->torn());
  }
}

TEST_P(AsyncFileContract, AppendsToWhatItMayNotRead) {
  Put(Path("f"), "li");
  ASSERT_EQ(chmod(Path("f").c_str(), 0222), 0);
  File file;
  {
    const AsNobody nobody(folder_);
    file = Open("f");
  }
  ASSERT_NE(file, nullptr);
  EXPECT_FALSE(file->torn());
  EXPECT_TRUE(Append(file.get(), "ne").status.ok());
  ASSERT_EQ(chmod(Path("f").c_str(), 0644), 0);
  EXPECT_EQ(Contents(Path("f")), "line");
}

TEST_P(AsyncFileContract, ReadsSeveralWithOneCall) {
  Put(Path("f"), "0123456789");
  const File file = Open(Path("f"), OpenFor::kReading);
  for (const bool broken : {false, true}) {
    // Of the broken list one is taken and over, and nobody says which.
    if (broken) calls_.BreakList(1);
    std::vector<Outcome> outcomes(3);
    std::vector<AsyncFile::Part> parts;
    for (size_t i = 0; i < outcomes.size(); ++i) {
      parts.push_back({i * 4, 4, Into(&outcomes[i])});
    }
    ASSERT_TRUE(file->ReadList(std::move(parts)).ok());
    ASSERT_TRUE(RunUntil([&] { return queue_->size() == 0; }));
    for (const Outcome& outcome : outcomes) {
      ASSERT_TRUE(outcome.has_value());
      EXPECT_TRUE(outcome->status.ok()) << outcome->status;
    }
    EXPECT_EQ(outcomes[0]->buffer, "0123");
    EXPECT_EQ(outcomes[1]->buffer, "4567");
    EXPECT_EQ(outcomes[2]->buffer, "89");
  }
}

// The pipe is full and nobody reads: it is tried again until somebody does.
TEST_P(AsyncFileContract, FifoThatNobodyReadsIsWaitedFor) {
  FullPipe pipe(false);
  const File file = Wrap(std::move(pipe.in));
  Outcome first, second;
  ASSERT_TRUE(file->Append("first\n", Into(&first)).ok());
  ASSERT_TRUE(file->Append("second\n", Into(&second)).ok());
  ASSERT_TRUE(RunUntil([&] { return calls_.submissions() > 2; }));
  EXPECT_FALSE(first.has_value());
  EXPECT_EQ(queue_->size(), 2u);
  EXPECT_EQ(pipe.Drain(0), "");
  ASSERT_TRUE(RunUntilOver(second));
  EXPECT_TRUE(first->status.ok()) << first->status;
  EXPECT_TRUE(second->status.ok()) << second->status;
  pipe.size = 0;
  EXPECT_EQ(pipe.Drain(13), "first\nsecond\n");
}

TEST_P(AsyncFileContract, FifoIsRefusedOnlyWhereSignalsTell) {
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  const auto unread = TryOpen(Path("fifo"));
  EXPECT_EQ(ErrnoOf(unread.status()), Signalled() ? ESPIPE : ENXIO);
  const UniqueFd reader(
      open(Path("fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  const auto file = TryOpen(Path("fifo"));
  if (Signalled()) {
    EXPECT_EQ(file.status().message(),
              absl::StrCat("cannot write to ", Path("fifo"),
                           ": Illegal seek: told of by signals it must be a "
                           "regular file"));
    return;
  }
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_FALSE((*file)->regular());
  EXPECT_TRUE(Append(file->get(), "line\n").status.ok());
  char buffer[8];
  EXPECT_EQ(read(reader.get(), buffer, sizeof(buffer)), 5);
}

TEST_P(AsyncFileContract, CallbackMaySubmitMore) {
  const File file = Open(Path("f"));
  int lines = 0;
  std::function<void()> more = [&] {
    ASSERT_TRUE(file->Append(absl::StrCat(lines, "\n"),
                             [&](AsyncFile::Result result) {
                               EXPECT_TRUE(result.status.ok());
                               if (++lines < 5) more();
                             })
                    .ok());
  };
  more();
  EXPECT_EQ(lines, 0);  // not before the loop is back
  ASSERT_TRUE(RunUntil([&] { return lines == 5; }));
  EXPECT_EQ(Contents(Path("f")), "0\n1\n2\n3\n4\n");
}

TEST_P(AsyncFileContract, IdentityFollowsTheName) {
  const File file = Open(Path("f"));
  for (const bool renamed : {false, true}) {
    if (renamed) {
      std::filesystem::rename(Path("f"), Path("g"));
      Put(Path("f"), "");
    }
    std::optional<absl::StatusOr<FileId>> id;
    AsyncFile::Identify(queue_.get(), Path("f"),
                        [&](absl::StatusOr<FileId> i) { id = std::move(i); });
    ASSERT_TRUE(RunUntil([&] { return id.has_value(); }));
    ASSERT_TRUE(id->ok()) << id->status();
    EXPECT_EQ(**id == file->id(), !renamed);
  }
}

// A lost notice costs a look, no more; what was told by a notice is not counted
// as found by a look.
TEST_P(AsyncFileContract, LostNoticesAreFoundByALook) {
  calls_.LoseNotices();
  const File file = Open(Path("f"));
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(Append(file.get(), "x").status.ok());
  }
  EXPECT_EQ(Metric("file_unnoticed_total"),
            GetParam() == AioCompletion::kPolled ? 0 : 3);
}

TEST_P(AsyncFileContract, CountsWhatIsOutstanding) {
  const File file = Open(Path("f"));
  EXPECT_EQ(Metric("file_requests_outstanding"), 0);
  EXPECT_EQ(Metric("file_oldest_request_seconds"), 0);
  calls_.Hang();
  Outcome outcome;
  ASSERT_TRUE(file->Append("x", Into(&outcome)).ok());
  EXPECT_EQ(Metric("file_requests_outstanding"), 1);
  calls_.LetGo();
  ASSERT_TRUE(RunUntilOver(outcome));
  EXPECT_EQ(Metric("file_requests_outstanding"), 0);
  EXPECT_EQ(Metric("file_request_errors_total"), 0);
  EXPECT_EQ(Metric("file_request_seconds_count"), 1);
}

// Helper threads take no signal of a loop's. (Those that only tell of an end
// cannot be kept from it: see the test of BlockSignals().)
TEST_P(AsyncFileContract, HelperThreadsTakeNoSignals) {
  if (GetParam() == AioCompletion::kThread) GTEST_SKIP() << "see above";
  const File file = Open(Path("f"));
  EXPECT_TRUE(Append(file.get(), "x").status.ok());
  int helpers = 0;
  for (const auto& task :
       std::filesystem::directory_iterator("/proc/self/task")) {
    const std::string status = Contents(task.path() / "status");
    const size_t at = status.find("SigBlk:");
    if (at == std::string::npos) continue;  // it has just ended
    const uint64_t blocked = std::stoull(status.substr(at + 7), nullptr, 16);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, FileSignal()}) {
      EXPECT_NE(blocked & uint64_t{1} << (signal - 1), 0u)
          << signal << ": " << status;
    }
    ++helpers;
  }
  EXPECT_GE(helpers, 3);  // this thread, that of files and glibc's
}

// It dies if one of them reaches a thread that does not block it.
TEST_P(AsyncFileContract, SignalsDuringWritesReachTheLoop) {
  int seen = 0;
  auto watcher = SignalWatcher::Create(*reactor_, [&](int) { ++seen; });
  ASSERT_TRUE(watcher.ok()) << watcher.status();
  const File file = Open(Path("f"));
  for (int i = 0; i < 50; ++i) {
    const int before = seen;
    Outcome outcome;
    ASSERT_TRUE(file->Append("x", Into(&outcome)).ok());
    ASSERT_EQ(kill(getpid(), SIGUSR1), 0);
    ASSERT_TRUE(RunUntil([&] { return outcome.has_value() && seen > before; }));
  }
}

INSTANTIATE_TEST_SUITE_P(All, AsyncFileContract,
                         testing::ValuesIn(kAllCompletions),
                         CompletionTestName);

class AsyncFileNotice : public AsyncFileRig,
                        public testing::WithParamInterface<
                            std::tuple<AioCompletion, PollerKind>> {};

TEST_P(AsyncFileNotice, ArrivesOnEachPoller) {
  const auto [completion, poller] = GetParam();
  Begin(completion, poller);
  if (IsSkipped()) return;
  const File file = Open(Path("f"));
  constexpr int kWrites = 10;
  for (int i = 0; i < kWrites; ++i) {
    EXPECT_TRUE(Append(file.get(), "x").status.ok());
  }
  // A look may come first by chance, not always.
  EXPECT_LT(Metric("file_unnoticed_total"), kWrites);
}

INSTANTIATE_TEST_SUITE_P(All, AsyncFileNotice,
                         testing::Combine(testing::ValuesIn(kAllCompletions),
                                          testing::ValuesIn(kAllPollers)),
                         [](const auto& parameter) {
                           return NameOf(std::get<0>(parameter.param)) + "_" +
                                  std::string(
                                      PollerName(std::get<1>(parameter.param)));
                         });

class AsyncFileLook : public AsyncFileContract {
 protected:
  void SetUp() override { Begin(GetParam(), PollerKind::kEpoll, &clock_); }
  ManualClock clock_;
};

TEST_P(AsyncFileLook, ComesEachHundredMillisecondsAtTheLatest) {
  const File file = Open(Path("f"));
  calls_.Hang();
  Outcome outcome;
  ASSERT_TRUE(file->Append("x", Into(&outcome)).ok());
  for (int i = 0; i < 50; ++i) {
    const int before = calls_.looks();
    // The wheel rounds up to a tick.
    clock_.Advance(CompletionNotice::kLookAnyway + milliseconds(1));
    reactor_->RunOnce(Duration::zero());
    EXPECT_GT(calls_.looks(), before);
  }
  EXPECT_EQ(Metric("file_oldest_request_seconds"), 5);
  // And none comes when nothing is outstanding.
  calls_.LetGo();
  while (!outcome.has_value()) {
    clock_.Advance(CompletionNotice::kLookAnyway);
    reactor_->RunOnce(Duration::zero());
  }
  clock_.Advance(CompletionNotice::kLookAnyway);
  reactor_->RunOnce(Duration::zero());
  const int before = calls_.looks();
  clock_.Advance(2 * CompletionNotice::kLookAnyway);
  reactor_->RunOnce(Duration::zero());
  EXPECT_EQ(calls_.looks(), before);
}

INSTANTIATE_TEST_SUITE_P(All, AsyncFileLook, testing::ValuesIn(kAllCompletions),
                         CompletionTestName);

}  // namespace
}  // namespace weir
