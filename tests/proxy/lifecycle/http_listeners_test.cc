// Where the admin port and the probes are bound.

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proxy/config/forward_spec.h"
#include "proxy/lifecycle/listeners.h"
#include "reactor/address.h"
#include "reactor/kernel.h"
#include "reactor/listen.h"
#include "tests/support/faulty_kernel.h"

namespace weir {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

ListenSpec At(uint16_t port) {
  ListenSpec place;
  place.kind = ListenSpec::Kind::kHostPort;
  place.host = "127.0.0.1";
  place.port = port;
  return place;
}

std::string MessageOf(const absl::StatusOr<ListeningSocket>& socket) {
  return socket.ok() ? "no error" : std::string(socket.status().message());
}

class UnixPlaceTest : public testing::Test {
 protected:
  UnixPlaceTest() {
    char folder[] = "/tmp/weir-admin-XXXXXX";
    folder_ = mkdtemp(folder);
    place_.kind = ListenSpec::Kind::kUnix;
    place_.path = folder_ + "/admin";
  }
  ~UnixPlaceTest() override {
    unlink(place_.path.c_str());
    rmdir(folder_.c_str());
  }

  absl::StatusOr<ListeningSocket> Bind() {
    return BindAdmin(Kernel::Real(), place_, /*may_move=*/false);
  }
  bool Exists() const {
    struct stat file;
    return stat(place_.path.c_str(), &file) == 0;
  }

  std::string folder_;
  ListenSpec place_;
};

TEST_F(UnixPlaceTest, IsItsOwnersAlone) {
  const mode_t before = umask(0);
  {
    const absl::StatusOr<ListeningSocket> admin = Bind();
    ASSERT_TRUE(admin.ok()) << admin.status();
    struct stat file;
    ASSERT_EQ(stat(place_.path.c_str(), &file), 0);
    EXPECT_TRUE(S_ISSOCK(file.st_mode));
    EXPECT_EQ(file.st_mode & 07777u, 0600u);
  }
  umask(before);
  EXPECT_FALSE(Exists());
}

TEST_F(UnixPlaceTest, ReplacesASocketThatNobodyListensOn) {
  const absl::StatusOr<Address> address = Address::UnixPath(place_.path);
  const int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(bind(stale, address->data(), address->size()), 0);
  close(stale);
  ASSERT_TRUE(Exists());
  EXPECT_TRUE(Bind().ok());
}

TEST_F(UnixPlaceTest, LeavesAnotherListenerAlone) {
  const absl::StatusOr<ListeningSocket> first = Bind();
  ASSERT_TRUE(first.ok());
  EXPECT_THAT(
      MessageOf(Bind()),
      AllOf(StartsWith("--admin: cannot listen on unix:"),
            HasSubstr("Address already in use"), Not(HasSubstr("free port"))));
}

TEST(ProbesTest, ABusyPortNamesTheFlag) {
  const absl::StatusOr<ListeningSocket> first =
      BindProbes(Kernel::Real(), At(0));
  ASSERT_TRUE(first.ok()) << first.status();
  const absl::StatusOr<ListeningSocket> second =
      BindProbes(Kernel::Real(), At(first->address.port()));
  EXPECT_THAT(MessageOf(second),
              StartsWith("--probes: cannot listen on 127.0.0.1:"));
}

TEST(ProbesTest, AnAdminPortThatNobodyAskedForGivesWay) {
  const absl::StatusOr<ListeningSocket> probes =
      BindProbes(Kernel::Real(), At(0));
  ASSERT_TRUE(probes.ok());
  const absl::StatusOr<ListeningSocket> admin =
      BindAdmin(Kernel::Real(), At(probes->address.port()), /*may_move=*/true);
  ASSERT_TRUE(admin.ok()) << admin.status();
  EXPECT_NE(admin->address.port(), probes->address.port());
}

TEST(AdminTest, APortThatCannotMoveNamesTheFlagAndAWayOut) {
  const absl::StatusOr<ListeningSocket> other =
      BindProbes(Kernel::Real(), At(0));
  ASSERT_TRUE(other.ok());
  FaultyKernel kernel;
  kernel.Inject({.call = Call::kSocket, .error = EMFILE, .skip = 1});
  EXPECT_THAT(MessageOf(BindAdmin(kernel, At(other->address.port()), true)),
              AllOf(StartsWith("--admin: "), HasSubstr("Too many open files"),
                    HasSubstr("--admin=off")));
}

}  // namespace
}  // namespace weir
