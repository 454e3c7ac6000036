#include "proxy/config/forward_spec.h"

#include <chrono>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "proxy/config/forward_keys.h"
#include "reactor/clock.h"

namespace weir {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr auto kLoopback = ListenSpec::Kind::kLoopback;
constexpr auto kAny = ListenSpec::Kind::kAny;
constexpr auto kHostPort = ListenSpec::Kind::kHostPort;
constexpr auto kUnix = ListenSpec::Kind::kUnix;

ListenSpec Listen(ListenSpec::Kind kind, const std::string& host, int port) {
  return {kind, host, static_cast<uint16_t>(port), ""};
}

ListenSpec ListenUnix(const std::string& path) { return {kUnix, "", 0, path}; }

TargetSpec Target(const std::string& host, int port, const std::string& text) {
  return {TargetSpec::Kind::kHostPort, host, static_cast<uint16_t>(port), "",
          text};
}

TargetSpec TargetUnix(const std::string& path, const std::string& text) {
  return {TargetSpec::Kind::kUnix, "", 0, path, text};
}

struct Valid {
  std::string text;
  std::string name;
  ListenSpec listen;
  TargetSpec target;
};

std::ostream& operator<<(std::ostream& out, const Valid& valid) {
  return out << valid.text;
}

class ValidForward : public testing::TestWithParam<Valid> {};

TEST_P(ValidForward, HasTheseFields) {
  const Valid& want = GetParam();
  const absl::StatusOr<ForwardSpec> got = ParseForward(want.text);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->text, want.text);
  EXPECT_EQ(got->name, want.name);
  EXPECT_EQ(got->listen.kind, want.listen.kind);
  EXPECT_EQ(got->listen.host, want.listen.host);
  EXPECT_EQ(got->listen.port, want.listen.port);
  EXPECT_EQ(got->listen.path, want.listen.path);
  EXPECT_EQ(got->target.kind, want.target.kind);
  EXPECT_EQ(got->target.host, want.target.host);
  EXPECT_EQ(got->target.port, want.target.port);
  EXPECT_EQ(got->target.path, want.target.path);
  EXPECT_EQ(got->target.text, want.target.text);
}

const TargetSpec kDb = Target("db", 5432, "db:5432");

INSTANTIATE_TEST_SUITE_P(
    Listen, ValidForward,
    testing::Values(
        Valid{"5432=db:5432", "p5432", Listen(kLoopback, "", 5432), kDb},
        Valid{"0=db:5432", "p0", Listen(kLoopback, "", 0), kDb},
        Valid{"065535=db:5432", "p65535", Listen(kLoopback, "", 65535), kDb},
        Valid{"localhost:80=db:5432", "p80", Listen(kLoopback, "", 80), kDb},
        Valid{"any:80=db:5432", "p80", Listen(kAny, "", 80), kDb},
        Valid{"any:0=db:5432", "p0", Listen(kAny, "", 0), kDb},
        Valid{"0.0.0.0:80=db:5432", "p80", Listen(kHostPort, "0.0.0.0", 80),
              kDb},
        Valid{"127.0.0.2:80=db:5432", "p80", Listen(kHostPort, "127.0.0.2", 80),
              kDb},
        Valid{"my-host.lan:80=db:5432", "p80",
              Listen(kHostPort, "my-host.lan", 80), kDb},
        Valid{"[::]:80=db:5432", "p80", Listen(kHostPort, "::", 80), kDb},
        Valid{"[::1]:80=db:5432", "p80", Listen(kHostPort, "::1", 80), kDb},
        Valid{"[fe80::1%eth0]:80=db:5432", "p80",
              Listen(kHostPort, "fe80::1%eth0", 80), kDb},
        Valid{"/tmp/.s.PGSQL.5432=db:5432", "s-pgsql-5432",
              ListenUnix("/tmp/.s.PGSQL.5432"), kDb},
        Valid{"./pg=db:5432", "pg", ListenUnix("./pg"), kDb},
        Valid{"unix:run/pg.sock=db:5432", "pg-sock", ListenUnix("run/pg.sock"),
              kDb},
        Valid{"unix:/run/pg=db:5432", "pg", ListenUnix("/run/pg"), kDb},
        Valid{"unix:@pg=db:5432", "pg", ListenUnix("@pg"), kDb},
        Valid{"/run/5432=db:5432", "u5432", ListenUnix("/run/5432"), kDb},
        Valid{"/run/...=db:5432", "u", ListenUnix("/run/..."), kDb},
        Valid{"/run/admin=db:5432", "uadmin", ListenUnix("/run/admin"), kDb},
        Valid{"/a%2cb%2Bc%3dd%40e%25f%2Fg%20=db:5432", "g",
              ListenUnix("/a,b+c=d@e%f/g "), kDb},
        // Only a bare '@' makes a name abstract.
        Valid{"unix:%40pg=db:5432", "pg", ListenUnix("./@pg"), kDb}));

INSTANTIATE_TEST_SUITE_P(
    Name, ValidForward,
    testing::Values(
        Valid{"pg@5432=db:5432", "pg", Listen(kLoopback, "", 5432), kDb},
        Valid{"p-g_2@any:80=db:5432", "p-g_2", Listen(kAny, "", 80), kDb},
        Valid{"abcdefghijklmnopqrstuvwxyz012345@1=db:5432",
              "abcdefghijklmnopqrstuvwxyz012345", Listen(kLoopback, "", 1),
              kDb},
        Valid{"pg@/run/x=db:5432", "pg", ListenUnix("/run/x"), kDb},
        Valid{"pg@unix:@x=db:5432", "pg", ListenUnix("@x"), kDb},
        Valid{"/run/a-name-that-is-longer-than-32-characters=db:5432",
              "a-name-that-is-longer-than-32-ch",
              ListenUnix("/run/a-name-that-is-longer-than-32-characters"),
              kDb}));

INSTANTIATE_TEST_SUITE_P(
    Target, ValidForward,
    testing::Values(
        Valid{"1=3000", "p1", Listen(kLoopback, "", 1),
              Target("127.0.0.1", 3000, "127.0.0.1:3000")},
        Valid{"1=10.0.0.5:80", "p1", Listen(kLoopback, "", 1),
              Target("10.0.0.5", 80, "10.0.0.5:80")},
        Valid{"1=[2001:db8::5]:80", "p1", Listen(kLoopback, "", 1),
              Target("2001:db8::5", 80, "[2001:db8::5]:80")},
        Valid{"1=[fe80::2%lo]:80", "p1", Listen(kLoopback, "", 1),
              Target("fe80::2%lo", 80, "[fe80::2%lo]:80")},
        Valid{"1=DB.Example.:80", "p1", Listen(kLoopback, "", 1),
              Target("DB.Example.", 80, "DB.Example.:80")},
        Valid{"1=my_service:80", "p1", Listen(kLoopback, "", 1),
              Target("my_service", 80, "my_service:80")},
        // Names that begin with hexadecimal digits are names.
        Valid{"1=cafe:80", "p1", Listen(kLoopback, "", 1),
              Target("cafe", 80, "cafe:80")},
        Valid{"1=/var/run/docker.sock", "p1", Listen(kLoopback, "", 1),
              TargetUnix("/var/run/docker.sock", "/var/run/docker.sock")},
        Valid{"1=/a%2Cb", "p1", Listen(kLoopback, "", 1),
              TargetUnix("/a,b", "/a%2Cb")},
        Valid{"1=unix:@x", "p1", Listen(kLoopback, "", 1),
              TargetUnix("@x", "unix:@x")},
        Valid{"1=./x:y", "p1", Listen(kLoopback, "", 1),
              TargetUnix("./x:y", "./x:y")}));

INSTANTIATE_TEST_SUITE_P(
    SshForm, ValidForward,
    testing::Values(
        Valid{"5432:db:5432", "p5432", Listen(kLoopback, "", 5432), kDb},
        Valid{"0:db:5432", "p0", Listen(kLoopback, "", 0), kDb},
        Valid{"pg@5432:db:5432", "pg", Listen(kLoopback, "", 5432), kDb},
        Valid{"localhost:80:db:5432", "p80", Listen(kLoopback, "", 80), kDb},
        Valid{"*:80:db:5432", "p80", Listen(kAny, "", 80), kDb},
        Valid{":80:db:5432", "p80", Listen(kAny, "", 80), kDb},
        Valid{"any:80:db:5432", "p80", Listen(kAny, "", 80), kDb},
        Valid{"10.0.0.1:80:db:5432", "p80", Listen(kHostPort, "10.0.0.1", 80),
              kDb},
        Valid{"[::1]:80:[2001:db8::5]:80", "p80", Listen(kHostPort, "::1", 80),
              Target("2001:db8::5", 80, "[2001:db8::5]:80")},
        Valid{"80:[::1]:81", "p80", Listen(kLoopback, "", 80),
              Target("::1", 81, "[::1]:81")}));

TEST(ForwardKeys, HaveDefaults) {
  const absl::StatusOr<ForwardSpec> spec = ParseForward("5432=db:5432");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->connect_timeout, seconds(5));
  EXPECT_EQ(spec->half_close_timeout, seconds(60));
  EXPECT_EQ(spec->idle_timeout, kForever);
  EXPECT_EQ(spec->lifetime, kForever);
  EXPECT_TRUE(spec->no_delay);
  EXPECT_EQ(spec->keepalive, seconds(60));
  EXPECT_EQ(spec->user_timeout, kForever);
  EXPECT_EQ(spec->defer, kForever);
  EXPECT_FALSE(spec->fast_open);
  EXPECT_EQ(spec->receive_buffer, 0);
  EXPECT_EQ(spec->send_buffer, 0);
  EXPECT_EQ(spec->splice, SpliceMode::kAuto);
}

TEST(ForwardKeys, AreSet) {
  const absl::StatusOr<ForwardSpec> spec = ParseForward(
      "5432:db:5432+connect:250ms+halfclose:2m+idle:1.5h+life:8760h+nodelay:off"
      "+keepalive:32767s+user-timeout:596h+defer:1h+fastopen+rcvbuf:4096"
      "+sndbuf:512MiB+splice:off");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->connect_timeout, milliseconds(250));
  EXPECT_EQ(spec->half_close_timeout, minutes(2));
  EXPECT_EQ(spec->idle_timeout, minutes(90));
  EXPECT_EQ(spec->lifetime, hours(8760));
  EXPECT_FALSE(spec->no_delay);
  EXPECT_EQ(spec->keepalive, seconds(32767));
  EXPECT_EQ(spec->user_timeout, hours(596));
  EXPECT_EQ(spec->defer, hours(1));
  EXPECT_TRUE(spec->fast_open);
  EXPECT_EQ(spec->receive_buffer, 4096);
  EXPECT_EQ(spec->send_buffer, 512 << 20);
  EXPECT_EQ(spec->splice, SpliceMode::kOff);
}

TEST(ForwardKeys, MayBeOff) {
  const absl::StatusOr<ForwardSpec> spec = ParseForward(
      "1=db:1+idle:off+life:off+keepalive:off+nodelay:on+user-timeout:off"
      "+defer:off+fastopen:off+rcvbuf:0+sndbuf:0+splice:on");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->idle_timeout, kForever);
  EXPECT_EQ(spec->lifetime, kForever);
  EXPECT_EQ(spec->keepalive, kForever);
  EXPECT_TRUE(spec->no_delay);
  EXPECT_EQ(spec->user_timeout, kForever);
  EXPECT_EQ(spec->defer, kForever);
  EXPECT_FALSE(spec->fast_open);
  EXPECT_EQ(spec->receive_buffer, 0);
  EXPECT_EQ(spec->send_buffer, 0);
  EXPECT_EQ(spec->splice, SpliceMode::kOn);
}

TEST(ForwardKeys, AreOnWithoutAValue) {
  const absl::StatusOr<ForwardSpec> spec =
      ParseForward("1=db:1+nodelay+fastopen+splice");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_TRUE(spec->no_delay);
  EXPECT_TRUE(spec->fast_open);
  EXPECT_EQ(spec->splice, SpliceMode::kOn);
}

TEST(ForwardKeys, SomeSocketCanObeyThem) {
  EXPECT_TRUE(ParseForward("/a=db:1+user-timeout:1s+rcvbuf:64KiB").ok());
  EXPECT_TRUE(ParseForward("1=/b+user-timeout:1s+defer:1s+fastopen").ok());
  EXPECT_TRUE(ParseForward("/a=/b+idle:1s+sndbuf:64KiB+splice:on").ok());
}

TEST(ForwardKeys, AreToldAsTheyAreWritten) {
  const std::string keys =
      "+connect:250ms+idle:10m+life:off+halfclose:60s+nodelay:off"
      "+keepalive:42s+user-timeout:1.5s+defer:3s+fastopen:on+rcvbuf:64KiB"
      "+sndbuf:0+splice:on";
  const absl::StatusOr<ForwardSpec> spec = ParseForward("1=db:1" + keys);
  ASSERT_TRUE(spec.ok()) << spec.status();
  std::string told;
  for (const auto& [key, value] : ForwardKeyValues(*spec)) {
    told += "+" + key + ":" + value;
  }
  // A minute is 1m by itself.
  EXPECT_EQ(told, std::string(keys).replace(keys.find("60s"), 3, "1m"));
}

TEST(ParseForwards, KeepsTheOrder) {
  const absl::StatusOr<std::vector<ForwardSpec>> specs =
      ParseForwards({"b@2=db:2", "a@1=db:1", "c@0=db:1", "d@0=db:1"});
  ASSERT_TRUE(specs.ok()) << specs.status();
  ASSERT_EQ(specs->size(), 4u);
  EXPECT_EQ((*specs)[0].name, "b");
  EXPECT_EQ((*specs)[3].name, "d");
}

// What is near a conflict, and none.

}  // namespace
}  // namespace weir
