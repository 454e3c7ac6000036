#include "proxy/lifecycle/check.h"

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proxy/config/command_line.h"
#include "proxy/config/forward_spec.h"
#include "reactor/address.h"
#include "reactor/async_file/completion.h"
#include "reactor/fd.h"
#include "reactor/kernel.h"
#include "reactor/socket.h"

namespace weir {
namespace {

using testing::AnyOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

// A socket on a port of the kernel's choice that does not listen yet: to
// connect to it is refused, and nobody else gets the port.
class Port {
 public:
  explicit Port(int type = SOCK_STREAM)
      : fd_(socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    const Address any_port = Address::Loopback(AF_INET, 0);
    EXPECT_EQ(bind(fd_.get(), any_port.data(), any_port.size()), 0);
    EXPECT_EQ(GetLocalAddress(Kernel::Real(), fd_.get(), &address_), 0);
  }

  void Listen() { EXPECT_EQ(listen(fd_.get(), 4), 0); }
  uint16_t number() const { return address_.port(); }
  std::string text() const { return address_.ToString(); }

  // Somebody connected.
  bool Accepted() const {
    return UniqueFd(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC)).valid();
  }

 private:
  UniqueFd fd_;
  Address address_;
};

CheckCommand Command(const std::string& host, uint16_t port, bool dial) {
  ForwardSpec forward;
  forward.name = "pg";
  forward.text = "pg=0";
  forward.target.host = host;
  forward.target.port = port;
  forward.target.text = host + ":" + std::to_string(port);
  CheckCommand command;
  command.forwards = {std::move(forward)};
  command.dial = dial;
  return command;
}

std::string MessageOf(const absl::Status& status) {
  return std::string(status.message());
}

TEST(CheckTest, SaysThatAForwardIsFine) {
  testing::internal::CaptureStderr();
  EXPECT_TRUE(Check(Command("127.0.0.1", 1, /*dial=*/false)).ok());
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "pg: ok, pg=0\n");
}

TEST(CheckTest, QuietSaysNothing) {
  CheckCommand command = Command("127.0.0.1", 1, /*dial=*/false);
  command.settings.quiet = true;
  testing::internal::CaptureStderr();
  EXPECT_TRUE(Check(command).ok());
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(CheckTest, SaysWhatTheKernelDoesNotDo) {
  int64_t limit = 0;
  std::ifstream("/proc/sys/net/core/wmem_max") >> limit;
  if (limit >= 512 << 20) GTEST_SKIP() << "the machine gives all that is asked";
  CheckCommand command = Command("127.0.0.1", 1, /*dial=*/false);
  command.forwards[0].send_buffer = 512 << 20;
  testing::internal::CaptureStderr();
  EXPECT_TRUE(Check(command).ok());
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              StartsWith("weir: pg: +sndbuf:512MiB: the kernel gives "));
  command.settings.quiet = true;
  testing::internal::CaptureStderr();
  EXPECT_TRUE(Check(command).ok());
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(CheckTest, APortThatIsTaken) {
  Port port;
  port.Listen();
  CheckCommand command = Command("127.0.0.1", 1, /*dial=*/false);
  command.forwards[0].listen.port = port.number();
  const absl::Status status = Check(command);
  EXPECT_THAT(MessageOf(status), StartsWith("pg: "));
  EXPECT_THAT(MessageOf(status), HasSubstr("Address already in use"));
}

TEST(CheckTest, AnAccessLogThatCannotBeOpened) {
  CheckCommand command = Command("127.0.0.1", 1, /*dial=*/false);
  const std::string folder = testing::TempDir();
  std::string& file = command.settings.access_log.file;
  file = folder + "gone/access.log";
  EXPECT_EQ(MessageOf(Check(command)),
            "--access_log: cannot open " + file +
                ": No such file or directory; make its directory, or name "
                "another file");
  file = folder;
  EXPECT_THAT(MessageOf(Check(command)), EndsWith("; name a file in it"));
  file = "/dev/null";
  command.settings.access_log.file_io = AioCompletion::kSignal;
  EXPECT_THAT(MessageOf(Check(command)),
              EndsWith("; take --file_io=polled or --file_io=thread, or name a "
                       "regular file"));
}

TEST(CheckTest, AnAccessLogThatIsFineIsNotMade) {
  CheckCommand command = Command("127.0.0.1", 1, /*dial=*/false);
  command.settings.access_log.file = testing::TempDir() + "not_made.log";
  EXPECT_TRUE(Check(command).ok());
  EXPECT_FALSE(std::filesystem::exists(command.settings.access_log.file));
}

TEST(CheckTest, WithoutDialNobodyConnects) {
  Port port;
  port.Listen();
  EXPECT_TRUE(Check(Command("127.0.0.1", port.number(), /*dial=*/false)).ok());
  EXPECT_FALSE(port.Accepted());
}

TEST(CheckTest, DialConnects) {
  Port port;
  port.Listen();
  EXPECT_TRUE(Check(Command("127.0.0.1", port.number(), /*dial=*/true)).ok());
  EXPECT_TRUE(port.Accepted());
  EXPECT_FALSE(port.Accepted());  // once
}

TEST(CheckTest, DialRefused) {
  const Port port;
  const absl::Status status =
      Check(Command("127.0.0.1", port.number(), /*dial=*/true));
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_EQ(MessageOf(status),
            "pg: cannot connect to " + port.text() + ": Connection refused");
}

TEST(CheckTest, TheFirstFailureEndsIt) {
  const Port refusing;
  Port answering;
  answering.Listen();
  CheckCommand command = Command("127.0.0.1", refusing.number(), /*dial=*/true);
  command.forwards.push_back(
      Command("127.0.0.1", answering.number(), /*dial=*/true).forwards[0]);
  EXPECT_FALSE(Check(command).ok());
  EXPECT_FALSE(answering.Accepted());
}

TEST(CheckTest, DialOfANameThatNobodyAnswersFor) {
  // A name server that reads no question.
  const Port silent(SOCK_DGRAM);
  CheckCommand command = Command("db.invalid", 5432, /*dial=*/true);
  command.settings.resolvers = silent.text();
  command.forwards[0].connect_timeout = std::chrono::milliseconds(50);
  const absl::Status status = Check(command);
  EXPECT_THAT(MessageOf(status),
              StartsWith("pg: cannot connect to db.invalid:5432: "));
  // The resolver's time-out is the same as ours: either may be first.
  EXPECT_THAT(MessageOf(status),
              AnyOf(HasSubstr("no answer from the name server"),
                    HasSubstr("the name servers did not answer")));
}

}  // namespace
}  // namespace weir
