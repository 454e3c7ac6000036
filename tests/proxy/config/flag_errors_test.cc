// Flags that are wrong, and what a person reads then.

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proxy/config/settings.h"
#include "tests/proxy/config/command_line_rig.h"

namespace weir {
namespace {

TEST_F(CommandLineTest, RefusesUnknownFlags) {
  EXPECT_EQ(FlagError("--reactor=2"),
            "unknown flag --reactor; did you mean --reactors?");
  EXPECT_EQ(FlagError("--drain"),
            "unknown flag --drain; did you mean --drain_delay?");
  EXPECT_EQ(FlagError("--zzz"), "unknown flag --zzz; weir --help lists them");
  EXPECT_EQ(FlagError("-x"), "unknown flag -x; weir --help lists them");
  EXPECT_EQ(FlagError("--nopoller"),
            "unknown flag --nopoller; did you mean --poller?");
}

// What gflags and glog define for themselves is none of ours.
TEST_F(CommandLineTest, RefusesFlagsOfLibraries) {
  for (const std::string flag :
       {"--v=1", "--logtostderr", "--helpfull", "--fromenv=x", "--undefok=x",
        "--minloglevel=1", "--tab_completion_word=x"}) {
    EXPECT_THAT(FlagError(flag), testing::StartsWith("unknown flag --"))
        << flag;
  }
}

TEST_F(CommandLineTest, SaysWhatComesLater) {
  EXPECT_EQ(FlagError("--dump=x"), "--dump is not supported yet");
  EXPECT_EQ(FlagError("--log-format=json"),
            "--log-format is not supported yet");
  EXPECT_EQ(ErrorOf({"1=db:1"}, {"WEIR_LOG_FORMAT=json"}),
            "WEIR_LOG_FORMAT is not supported yet");
}

TEST_F(CommandLineTest, RefusesBadValuesOfTheAccessLog) {
  EXPECT_EQ(FlagError("--access_log_format=jsn"),
            "--access_log_format=jsn: must be json or logfmt; did you mean "
            "'json'?");
  EXPECT_EQ(FlagError("--file_io=sgnal"),
            "--file_io=sgnal: must be polled, signal or thread; did you mean "
            "'signal'?");
  for (const char* every : {"0", "999ms", "x"}) {
    EXPECT_EQ(FlagError(std::string("--access_log_every=") + every),
              std::string("--access_log_every=") + every +
                  ": must be off, or at least 1s");
  }
  for (const char* buffer : {"65535", "2GiB"}) {
    EXPECT_EQ(FlagError(std::string("--access_log_buffer=") + buffer),
              std::string("--access_log_buffer=") + buffer +
                  ": must be from 64KiB to 1GiB");
  }
  for (const char* flag : {"--access_log_format=json", "--access_log_open=true",
                           "--access_log_every=5s", "--access_log_buffer=2MiB",
                           "--file_io=thread"}) {
    EXPECT_EQ(FlagError(flag), std::string(flag) +
                                   ": is about the access log; name its file "
                                   "with --access_log=FILE");
  }
}

TEST_F(CommandLineTest, RefusesBadValues) {
  EXPECT_EQ(FlagError("--reactors=two"),
            "--reactors=two: must be a whole number, at most 2147483647");
  EXPECT_EQ(FlagError("--reactors="),
            "--reactors=: must be a whole number, at most 2147483647");
  EXPECT_EQ(FlagError("--reactors=99999999999"),
            "--reactors=99999999999: must be a whole number, at most "
            "2147483647");
  EXPECT_EQ(FlagError("--reactors=-1"),
            "--reactors=-1: must be from 0 to 1024");
  EXPECT_EQ(FlagError("--max_connections=-1"),
            "--max_connections=-1: must be from 0 to 2147483647");
  EXPECT_EQ(FlagError("--splice_pipes=65537"),
            "--splice_pipes=65537: must be from -1 to 65536");
  EXPECT_EQ(FlagError("--quiet=perhaps"),
            "--quiet=perhaps: must be true or false");
  EXPECT_EQ(FlagError("--noquiet=1"), "--noquiet takes no value");
  EXPECT_EQ(FlagError("--shard=rond_robin"),
            "--shard=rond_robin: must be least, round_robin, lag or local; did "
            "you mean 'round_robin'?");
  EXPECT_EQ(FlagError("--accept=share"),
            "--accept=share: must be shared, reuseport or dedicated; did you "
            "mean 'shared'?");
  EXPECT_THAT(FlagError("--poller=kqueue"),
              testing::StartsWith("--poller=kqueue: "));
  EXPECT_EQ(FlagError("--buffer_memory=64MB"),
            "--buffer_memory=64MB: 'MB' is not a unit of size: KiB, MiB or "
            "GiB");
  EXPECT_EQ(FlagError("--drain_idle=5\x1b[31mX"),
            "--drain_idle=5?[31mX: '?[31mX' is not a unit of time: ms, s, m or "
            "h");
  EXPECT_THAT(FlagError("--poller=a\nb"),
              testing::StartsWith("--poller=a?b: "));
  EXPECT_EQ(FlagError("--ready_fd=999999"),
            "--ready_fd=999999: no such open descriptor");
  EXPECT_EQ(FlagError("--ready_fd=-2"),
            "--ready_fd=-2: must be from -1 to 2147483647");
  EXPECT_EQ(ErrorOf({"5432=db:5432", "--reactors"}),
            "--reactors needs a value: --reactors=N");
  EXPECT_EQ(ErrorOf({"--reactors", "-v", "5432=db:5432"}),
            "--reactors needs a value: --reactors=N");
  EXPECT_EQ(ErrorOf({"-v", "--quiet", "1=db:1"}),
            "--verbose and --quiet cannot go together");
  // Of different sources, the stronger one wins.
  const Settings settings = SettingsOf({"-v"}, {"WEIR_QUIET=1"});
  EXPECT_TRUE(settings.verbose);
  EXPECT_FALSE(settings.quiet);
}

TEST_F(CommandLineTest, RefusesBadTimes) {
  EXPECT_EQ(FlagError("--drain_idle=5"),
            "--drain_idle=5: a time needs a unit (ms, s, m or h): 5s");
  EXPECT_EQ(FlagError("--drain_idle=0s"),
            "--drain_idle=0s: must be at least 1ms");
  EXPECT_EQ(FlagError("--drain_timeout=0s"),
            "--drain_timeout=0s: must be at least 1ms");
  EXPECT_EQ(FlagError("--drain_spread=-1s"),
            "--drain_spread=-1s: a time cannot be negative");
  EXPECT_EQ(FlagError("--drain_timeout=9000h"),
            "--drain_timeout=9000h: 9000h is too long: the most is 8760h");
  EXPECT_EQ(FlagError("--drain_delay=25s"),
            "--drain_delay=25s: must be shorter than --drain_timeout=25s");
}

TEST_F(CommandLineTest, RefusesBadAddresses) {
  EXPECT_EQ(FlagError("--admin=any:80"),
            "--admin=any:80: must be one address, such as 0.0.0.0:80 or "
            "[::]:80");
  EXPECT_EQ(FlagError("--admin=:80"),
            "--admin=:80: must be one address, such as 0.0.0.0:80 or [::]:80");
  EXPECT_EQ(FlagError("--admin=unix:@name"),
            "--admin=unix:@name: an abstract socket has no mode that keeps "
            "others out; give a path");
  EXPECT_EQ(FlagError("--admin=::1:80"),
            "--admin=::1:80: IPv6 addresses need brackets: [::1]:80");
  EXPECT_EQ(FlagError("--admin=localhos:80"),
            "--admin=localhos:80: 'localhos' is not an address");
  EXPECT_EQ(FlagError("--admin=127.0.0.1:99999"),
            "--admin=127.0.0.1:99999: port 99999 is too big: the last is "
            "65535");
  EXPECT_EQ(FlagError("--resolvers=dns.lan"),
            "--resolvers=dns.lan: 'dns.lan' is not an address");
  EXPECT_EQ(FlagError("--resolvers=10.0.0.1,"),
            "--resolvers=10.0.0.1,: '' is not an address");
  EXPECT_EQ(FlagError("--resolvers=10.0.0.1:0"),
            "--resolvers=10.0.0.1:0: port 0 cannot be asked");
  EXPECT_EQ(FlagError("--resolvers=[::1"), "--resolvers=[::1: '[' without ']'");
}

}  // namespace
}  // namespace weir
