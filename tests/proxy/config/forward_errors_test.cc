// Wrong specs: what a person reads, to the letter and to the column.

#include <cstddef>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "proxy/config/forward_spec.h"
#include "tests/proxy/config/invalid_forward.h"

namespace weir {
namespace {

TEST_P(InvalidForward, SaysWhatAndWhere) { SaysSo(); }

INSTANTIATE_TEST_SUITE_P(
    Shape, InvalidForward,
    testing::Values(
        Invalid{"|", "an empty forward"},
        Invalid{"5432|", "where to connect is missing: 5432=HOST:PORT"},
        Invalid{"5432=|", "where to connect is missing: LISTEN=HOST:PORT"},
        Invalid{"|=db:5432", "where to listen is missing: PORT=TARGET"},
        Invalid{"pg@|=db:5432", "where to listen is missing: PORT=TARGET"},
        Invalid{"|db:5432", "where to listen is missing: 5432=db:5432"},
        Invalid{"8080|:80", "'=' stands between the two ends: 8080=80"},
        Invalid{"2375|:/var/run/docker.sock",
                "'=' stands between the two ends: 2375=/var/run/docker.sock"},
        Invalid{"|db", "a forward is LISTEN=TARGET, such as 5432=db:5432"},
        Invalid{"|/run/x", "a forward is LISTEN=TARGET, such as 5432=db:5432"},
        Invalid{"|a:b:c:d:e",
                "without '=' it is ssh's form, [bind:]port:host:hostport; IPv6 "
                "addresses take brackets"},
        Invalid{"|8080:::1:80",
                "without '=' it is ssh's form, [bind:]port:host:hostport; IPv6 "
                "addresses take brackets"},
        Invalid{"|/run/x:db:80",
                "without '=' it is ssh's form, [bind:]port:host:hostport; IPv6 "
                "addresses take brackets"},
        Invalid{"5432=db:5432|=x",
                "a second '='; in a path '=' is written %3D"},
        Invalid{"/a|+b=db:1",
                "'+' starts a key, and keys come after the target; in a path "
                "'+' is written %2B"}));

INSTANTIATE_TEST_SUITE_P(
    Name, InvalidForward,
    testing::Values(
        Invalid{"|@1=db:1", "a name must stand before '@'"},
        Invalid{"|Pg@1=db:1", "a name starts with a letter from a to z"},
        Invalid{"|1@1=db:1", "a name starts with a letter from a to z"},
        Invalid{"|-a@1=db:1", "a name starts with a letter from a to z"},
        Invalid{"p|G@1=db:1", "a name has only a to z, 0 to 9, '_' and '-'"},
        Invalid{"p|.g@1=db:1", "a name has only a to z, 0 to 9, '_' and '-'"},
        Invalid{"abcdefghijklmnopqrstuvwxyz012345|6@1=db:1",
                "a name has at most 32 characters"},
        Invalid{"|admin@1=db:1", "the name admin belongs to the admin port"},
        Invalid{"|probes@1=db:1", "the name probes belongs to the probes port"},
        Invalid{"/run/user|@1000/x=db:1", "in a path '@' is written %40"}));

INSTANTIATE_TEST_SUITE_P(
    Listen, InvalidForward,
    testing::Values(
        Invalid{"|65536=db:1", "port 65536 is too big: the last is 65535"},
        Invalid{"pg@|99999999999999999999=db:1",
                "port 99999999999999999999 is too big: the last is 65535"},
        Invalid{"|-1=db:1",
                "'-1' is not a place to listen on: write PORT or "
                "HOST:PORT"},
        Invalid{"|http=db:1",
                "'http' is not a place to listen on: write PORT "
                "or HOST:PORT"},
        Invalid{"|80a=db:1",
                "'80a' is not a place to listen on: write PORT or HOST:PORT"},
        Invalid{"|8000-8010=db:9000-9010",
                "ranges of ports are not supported yet"},
        Invalid{"127.0.0.1:|8000-8010=db:9",
                "ranges of ports are not supported yet"},
        Invalid{"any:|=db:1", "the port is missing"},
        Invalid{"any:|http=db:1", "'http' is not a port number"},
        Invalid{"any:|70000=db:1", "port 70000 is too big: the last is 65535"},
        Invalid{
            "|*:80=db:1",
            "every interface is written any:80, this machine alone just 80"},
        Invalid{
            "|:80=db:1",
            "every interface is written any:80, this machine alone just 80"},
        Invalid{"|systemd:web=db:1", "'systemd:' is not supported yet"},
        Invalid{"|fd:3=db:1", "'fd:' is not supported yet"},
        Invalid{"|orig:80=dst", "'orig:' is not supported yet"},
        Invalid{"|::1:80=db:5432",
                "IPv6 addresses need brackets: [::1]:80=db:5432"},
        Invalid{"pg@|fe80::1%lo:80=db:5432+idle:5s",
                "IPv6 addresses need brackets: "
                "pg@[fe80::1%lo]:80=db:5432+idle:5s"},
        Invalid{"|::1=db:5432",
                "IPv6 addresses need brackets: [::1]:PORT=db:5432"},
        Invalid{"a:1|:2=db:1",
                "one ':' too many: write HOST:PORT, and an IPv6 address in "
                "brackets"},
        Invalid{"|[::1:80=db:1", "'[' without ']'"},
        Invalid{"[::1]|=db:1", "the port is missing: [::1]:PORT"},
        Invalid{"[::1]|80=db:1", "':' and a port must follow the ']'"},
        Invalid{"[::1]:|=db:1", "the port is missing"},
        Invalid{"[|]:80=db:1", "'' is not an IPv6 address"},
        Invalid{"[|::g]:80=db:1", "'::g' is not an IPv6 address"},
        Invalid{"[|1.2.3.4]:80=db:1", "brackets are for IPv6 addresses only"},
        Invalid{"[|db]:80=db:1", "'db' is not an IPv6 address"},
        Invalid{"[fe80::1|]:80=db:1",
                "a link-local address needs its interface: [fe80::1%eth0]"},
        Invalid{"[fe80::1%|]:80=db:1", "'' is not an interface name"},
        Invalid{"[fe80::1%|a-name-too-long-]:80=db:1",
                "'a-name-too-long-' is not an interface name"},
        Invalid{"[fe80::1%|a/b]:80=db:1", "'a/b' is not an interface name"},
        Invalid{"[::1|%lo]:80=db:1",
                "only link-local addresses (fe80::) take an interface"}));

INSTANTIATE_TEST_SUITE_P(
    Target, InvalidForward,
    testing::Values(
        Invalid{"5432=db|", "the port is missing: db:PORT"},
        Invalid{"5432=db:|", "the port is missing"},
        Invalid{"5432=|:80", "the host is missing: HOST:PORT"},
        Invalid{"5432=db:|http", "'http' is not a port number"},
        Invalid{"5432=db:|0",
                "port 0 is for listening only: a target needs "
                "its real port"},
        Invalid{"5432=|0",
                "port 0 is for listening only: a target needs its "
                "real port"},
        Invalid{"5432:db:|0",
                "port 0 is for listening only: a target needs "
                "its real port"},
        Invalid{"5432=db:|65536", "port 65536 is too big: the last is 65535"},
        Invalid{"|x:db:5432", "'x' is not a port number"},
        Invalid{"a:|x:db:5432", "'x' is not a port number"},
        Invalid{"5432=db:|9000-9010", "ranges of ports are not supported yet"},
        Invalid{"5432=|any:80",
                "a target is one host; 'any' is for listening only"},
        Invalid{"pg@5432=db1:5432|,db2:5432",
                "several targets are not supported yet; in a path ',' is "
                "written %2C"},
        Invalid{"5432=db1:5432|^3",
                "weights (^) are not supported yet; in a path '^' is written "
                "%5E"},
        Invalid{"5432=|srv:_pg._tcp.lan", "'srv:' is not supported yet"},
        Invalid{"5432=|dst", "'dst' is not supported yet"},
        Invalid{"5432=|::1:80", "IPv6 addresses need brackets: 5432=[::1]:80"},
        Invalid{"5432=|2001:db8::5",
                "IPv6 addresses need brackets: 5432=[2001:db8::5]:PORT"},
        Invalid{"5432=|1.2.3:80", "'1.2.3' is not an IPv4 address"},
        Invalid{"5432=|256.1.1.1:80", "'256.1.1.1' is not an IPv4 address"},
        Invalid{"5432=|1:80", "'1' is not an IPv4 address"},
        Invalid{"5432=user|@db:80", "'@' cannot be part of a host name"},
        Invalid{"5432=d| b:80", "' ' cannot be part of a host name"},
        Invalid{"5432=d|/b:80", "'/' cannot be part of a host name"},
        Invalid{"5432=|ü.de:80", "'ü' cannot be part of a host name"},
        Invalid{"5432=a.|.b:80",
                "the parts of a host name have 1 to 63 "
                "characters, '-' neither first nor last"},
        Invalid{"5432=|-a.b:80",
                "the parts of a host name have 1 to 63 "
                "characters, '-' neither first nor last"},
        Invalid{"5432=a.|b-:80",
                "the parts of a host name have 1 to 63 "
                "characters, '-' neither first nor last"},
        Invalid{"5432=|" + std::string(64, 'a') + ":80",
                "the parts of a host name have 1 to 63 characters, '-' neither "
                "first nor last"},
        Invalid{"5432=|" + std::string(254, 'a') + ":80",
                "a host name has at most 253 characters"}));

constexpr char kBadPercent[] =
    "two hexadecimal digits must follow '%'; '%' itself is written %25";

INSTANTIATE_TEST_SUITE_P(
    Path, InvalidForward,
    testing::Values(
        Invalid{"1=/a|%", kBadPercent}, Invalid{"1=/a|%4", kBadPercent},
        Invalid{"1=/a%2c|%zz", kBadPercent},
        Invalid{"/a|%4g=db:1", kBadPercent},
        Invalid{"1=/a|%00", "a path cannot hold a zero byte"},
        Invalid{"1=/a|@b", "in a path '@' is written %40"},
        Invalid{"unix:@a|@b=db:1", "in a path '@' is written %40"},
        Invalid{"1=/a|,b",
                "several targets are not supported yet; in a path "
                "',' is written %2C"},
        Invalid{"1=unix:|", "the path is missing"},
        Invalid{"unix:@|=db:1", "the path is missing"},
        Invalid{"1=|/", "a directory, not a socket: a name must follow"},
        Invalid{"1=unix:|/run/",
                "a directory, not a socket: a name must "
                "follow"},
        Invalid{"1=/" + std::string(106, 'x') + "|x",
                "a unix socket's path has at most 107 bytes: too long from "
                "here"},
        // The limit counts what was decoded, the caret what was written.
        Invalid{"1=/%2c" + std::string(105, 'x') + "|%2cx",
                "a unix socket's path has at most 107 bytes: too long from "
                "here"},
        Invalid{"1=unix:@" + std::string(107, 'x') + "|x",
                "a unix socket's path has at most 108 bytes: too long from "
                "here"}));

INSTANTIATE_TEST_SUITE_P(
    Key, InvalidForward,
    testing::Values(
        Invalid{"1=db:1+|",
                "a key must follow '+'; in a path '+' is written "
                "%2B"},
        Invalid{"1=db:1+|:5s",
                "a key must follow '+'; in a path '+' is "
                "written %2B"},
        Invalid{"1=/a+|+idle:5s",
                "a key must follow '+'; in a path '+' is "
                "written %2B"},
        Invalid{"1=db:1+|conect:2s",
                "unknown key 'conect'; did you mean 'connect'?"},
        Invalid{"1=db:1+|idel:2s", "unknown key 'idel'; did you mean 'idle'?"},
        Invalid{"1=db:1+|Idle:2s", "unknown key 'Idle'; did you mean 'idle'?"},
        Invalid{"1=db:1+|half-close:2s",
                "unknown key 'half-close'; did you mean 'halfclose'?"},
        Invalid{"1=db:1+|lifetime:2s",
                "unknown key 'lifetime'; did you mean 'life'?"},
        Invalid{"1=db:1+|zzz:2s",
                "unknown key 'zzz'; the keys are connect, idle, life, "
                "halfclose, nodelay, keepalive, user-timeout, defer, fastopen, "
                "rcvbuf, sndbuf and splice"},
        Invalid{"1=db:1+|user_timeout:2s",
                "unknown key 'user_timeout'; did you mean 'user-timeout'?"},
        Invalid{"1=db:1+|fast-open",
                "unknown key 'fast-open'; did you mean 'fastopen'?"},
        Invalid{"1=db:1+idle:5s+|idle:5s", "idle is given twice"},
        Invalid{"1=db:1+nodelay+|nodelay:off", "nodelay is given twice"},
        Invalid{"1=db:1+idle|", "idle needs a time: idle:5s"},
        Invalid{"1=db:1+idle:|", "idle needs a time: idle:5s"},
        Invalid{"1=db:1+connect:|off",
                "connect cannot be off: the most is 8760h"},
        Invalid{"1=db:1+halfclose:|off",
                "halfclose cannot be off: the most is 8760h"},
        Invalid{"1=db:1+connect:|0s", "connect must be at least 1ms"},
        Invalid{"1=db:1+connect:|0.5ms", "connect must be at least 1ms"},
        Invalid{"1=db:1+idle:|0",
                "idle must be at least 1ms; for ever is "
                "written idle:off"},
        Invalid{"1=db:1+life:|0.5ms",
                "life must be at least 1ms; for ever is written life:off"},
        Invalid{"1=db:1+idle:|-5s", "a time cannot be negative"},
        Invalid{"1=db:1+idle:5|", "a time needs a unit (ms, s, m or h): 5s"},
        Invalid{"1=db:1+idle:5|sec",
                "'sec' is not a unit of time: ms, s, m or h"},
        Invalid{"1=db:1+idle:5|S", "'S' is not a unit of time: ms, s, m or h"},
        Invalid{"1=db:1+idle:1|m30s",
                "'m30s' is not a unit of time: ms, s, m or h"},
        Invalid{"1=db:1+idle:5|.s", "digits are missing after the point"},
        Invalid{"1=db:1+idle:|.5s", "'.5s' is not a time, such as 5s"},
        Invalid{"1=db:1+idle:|soon", "'soon' is not a time, such as 5s"},
        Invalid{"1=db:1+life:|8760.1h",
                "8760.1h is too long: the most is 8760h"},
        Invalid{"1=db:1+life:|99999999999999999999h",
                "99999999999999999999h is too long: the most is 8760h"}));

std::vector<Invalid> LaterKeys() {
  std::vector<Invalid> cases;
  for (const std::string key : {"lb",
                                "attempts",
                                "max",
                                "backup",
                                "check",
                                "proxy",
                                "accept-proxy",
                                "source",
                                "interface",
                                "mark",
                                "allow",
                                "deny",
                                "max-per-source",
                                "delay",
                                "rate",
                                "cut",
                                "reset-after",
                                "limit",
                                "blackhole",
                                "dump",
                                "capture",
                                "mode"}) {
    cases.push_back(
        {"1=db:1+|" + key + ":x", "key '" + key + "' is not supported yet"});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(LaterKeys, InvalidForward,
                         testing::ValuesIn(LaterKeys()));

// Bytes that a terminal would act upon are not shown, and the caret counts
// characters.
TEST(ForwardErrors, ShowOnlyWhatIsPrintable) {
  EXPECT_EQ(std::string(ParseForward("1=\x1b[2J").status().message()),
            "'?' cannot be part of a host name\n  1=?[2J\n    ^");
  EXPECT_EQ(std::string(ParseForward("a\nb").status().message()),
            "a forward is LISTEN=TARGET, such as 5432=db:5432\n  a?b\n  ^");
  EXPECT_EQ(std::string(ParseForward("1=/é/%zz").status().message()),
            std::string(kBadPercent) + "\n  1=/é/%zz\n       ^");
  EXPECT_EQ(std::string(ParseForward("1=/\xff\xc2\x9b.%zz").status().message()),
            std::string(kBadPercent) + "\n  1=/???.%zz\n         ^");
}

TEST(ForwardErrors, ZeroByteEndsNothing) {
  const std::string text("1=10.0.0.1\0.evil:80", 19);
  EXPECT_EQ(std::string(ParseForward(text).status().message()),
            "'?' cannot be part of a host name\n"
            "  1=10.0.0.1?.evil:80\n"
            "            ^");
}

// Random strings, of what specs are made of, give a forward or a whole error.
TEST(ForwardErrors, AnyTextGivesAForwardOrThreeLines) {
  const std::vector<std::string> pieces = {
      "5432",  "0", "db",   "=",   ":",         "@",      "+",
      "[",     "]", "::1",  "%",   "%41",       "any:",   "unix",
      "unix:", "/", "./",   "a",   "idle",      "5s",     "off",
      ".",     "-", ",",    "^",   "127.0.0.1", "é",      "\xff",
      "\x01",  " ", "fe80", "pg@", "65536",     "connect"};
  const unsigned seed = 20230612;
  std::mt19937 random(seed);
  int parsed = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text = i % 2 == 0 ? "" : "pg@any:8080=[::1]:80+idle:5s";
    for (auto n = random() % 12; n > 0; --n) {
      const size_t at = random() % (text.size() + 1);
      if (random() % 8 == 0) {
        text.insert(at, 1, static_cast<char>(random() % 256));
      } else if (random() % 4 == 0) {
        text.erase(at, 1);
      } else {
        text.insert(at, pieces[random() % pieces.size()]);
      }
    }
    const absl::StatusOr<ForwardSpec> forward = ParseForward(text);
    if (forward.ok()) {
      ++parsed;
      EXPECT_FALSE(forward->name.empty()) << text;
      EXPECT_LE(forward->name.size(), 32u) << text;
      continue;
    }
    const std::vector<std::string> lines =
        absl::StrSplit(forward.status().message(), '\n');
    ASSERT_EQ(lines.size(), 3u) << text;
    EXPECT_FALSE(lines[0].empty()) << text;
    EXPECT_EQ(lines[2].find_first_not_of(' '), lines[2].size() - 1) << text;
    EXPECT_EQ(lines[2].back(), '^') << text;
    EXPECT_LE(lines[2].size(), lines[1].size() + 1) << text;
  }
  // Else it says nothing about what parses.
  EXPECT_GT(parsed, 500);
}

}  // namespace
}  // namespace weir
