// Arguments, environment and flag files, from end to end: flags are a state of
// the process, so each test puts them back.

#include "proxy/config/command_line.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_split.h"
#include "gflags/gflags.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proxy/config/accept_mode.h"
#include "proxy/config/access_format_kind.h"
#include "proxy/config/client_command.h"
#include "proxy/config/flags.h"
#include "proxy/config/forward_spec.h"
#include "proxy/config/settings.h"
#include "proxy/config/shard_policy_kind.h"
#include "reactor/async_file/completion.h"
#include "reactor/clock.h"
#include "reactor/poller.h"

namespace weir {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

using Strings = std::vector<std::string>;

class CommandLineTest : public testing::Test {
 protected:
  static absl::StatusOr<CommandLine> Parse(const Strings& args,
                                           const Strings& env = {}) {
    std::vector<const char*> argv = {"weir"};
    for (const std::string& arg : args) argv.push_back(arg.c_str());
    std::vector<const char*> environment;
    for (const std::string& item : env) environment.push_back(item.c_str());
    environment.push_back(nullptr);
    const gflags::FlagSaver saver;
    return ParseCommandLine(static_cast<int>(argv.size()), argv.data(),
                            environment.data());
  }

  static Settings SettingsOf(const Strings& flags, const Strings& env = {}) {
    Strings args = flags;
    args.push_back("5432=db:5432");
    const absl::StatusOr<CommandLine> line = Parse(args, env);
    EXPECT_TRUE(line.ok()) << line.status();
    if (!line.ok()) return Settings();
    return std::get<RunCommand>(*line).settings;
  }

  // Expects bad usage, and gives what it says.
  static std::string ErrorOf(const Strings& args, const Strings& env = {}) {
    const absl::StatusOr<CommandLine> line = Parse(args, env);
    EXPECT_EQ(line.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(line.status().message());
  }

  // A flag error, where a forward is there too.
  static std::string FlagError(const std::string& flag) {
    const std::string error = ErrorOf({flag, "5432=db:5432"});
    EXPECT_EQ(error.find('\n'), std::string::npos) << "one line: " << error;
    return error;
  }

  // The path of a new file with that text, gone after the test.
  std::string File(const std::string& text) {
    files_.push_back(testing::TempDir() + "/flags." + std::to_string(getpid()) +
                     "." + std::to_string(files_.size()));
    std::ofstream(files_.back()) << text;
    return files_.back();
  }

  void TearDown() override {
    for (const std::string& file : files_) std::remove(file.c_str());
  }

 private:
  Strings files_;
};

TEST_F(CommandLineTest, RunsForwards) {
  const absl::StatusOr<CommandLine> line =
      Parse({"pg@5432=db:5432", "web@any:8080=3000"});
  ASSERT_TRUE(line.ok()) << line.status();
  const auto& run = std::get<RunCommand>(*line);
  ASSERT_EQ(run.forwards.size(), 2u);
  EXPECT_EQ(run.forwards[0].name, "pg");
  EXPECT_EQ(run.forwards[1].name, "web");
}

TEST_F(CommandLineTest, HasDefaults) {
  const Settings settings = SettingsOf({});
  EXPECT_EQ(settings.poller, PollerKind::kEpoll);
  EXPECT_EQ(settings.reactors, 0);
  EXPECT_FALSE(settings.pin_reactors);
  EXPECT_EQ(settings.accept, AcceptMode::kShared);
  EXPECT_EQ(settings.shard, ShardPolicy::kLeast);
  EXPECT_EQ(settings.max_connections, 0);
  EXPECT_EQ(settings.buffer_memory, 0);
  ASSERT_TRUE(settings.admin.has_value());
  EXPECT_TRUE(settings.admin_is_default);
  EXPECT_EQ(settings.admin->kind, ListenSpec::Kind::kHostPort);
  EXPECT_EQ(settings.admin->host, "127.0.0.1");
  EXPECT_EQ(settings.admin->port, 9464);
  EXPECT_EQ(settings.resolvers, "");
  EXPECT_EQ(settings.ports_file, "");
  EXPECT_EQ(settings.ready_fd, -1);
  EXPECT_EQ(settings.drain.delay, Duration::zero());
  EXPECT_EQ(settings.drain.idle, seconds(10));
  EXPECT_EQ(settings.drain.spread, seconds(5));
  EXPECT_EQ(settings.drain.timeout, seconds(25));
  EXPECT_FALSE(settings.verbose);
  EXPECT_FALSE(settings.quiet);
}

// So that a struct made by hand is that of a bare command line.
TEST_F(CommandLineTest, DefaultsAreThoseOfTheStructs) {
  const Settings parsed = SettingsOf({});
  const Settings fresh;
  EXPECT_EQ(parsed.poller, fresh.poller);
  EXPECT_EQ(parsed.accept, fresh.accept);
  EXPECT_EQ(parsed.shard, fresh.shard);
  EXPECT_EQ(parsed.drain.delay, fresh.drain.delay);
  EXPECT_EQ(parsed.drain.idle, fresh.drain.idle);
  EXPECT_EQ(parsed.drain.spread, fresh.drain.spread);
  EXPECT_EQ(parsed.drain.timeout, fresh.drain.timeout);
}

TEST_F(CommandLineTest, SetsEveryFlag) {
  const Settings settings = SettingsOf(
      {"--poller=select", "--reactors=3", "--affinity", "--shard=round_robin",
       "--max_connections=100", "--buffer_memory=64MiB",
       "--resolvers=10.0.0.1,10.0.0.2:5353,[::1],[::2]:54,::3",
       "--ports_file=/run/ports", "--ready_fd=2", "--drain_delay=1s",
       "--drain_idle=2s", "--drain_spread=0", "--drain_timeout=1m",
       "--verbose"});
  EXPECT_EQ(settings.poller, PollerKind::kSelect);
  EXPECT_EQ(settings.reactors, 3);
  EXPECT_TRUE(settings.pin_reactors);
  EXPECT_EQ(settings.shard, ShardPolicy::kRoundRobin);
  EXPECT_EQ(settings.max_connections, 100);
  EXPECT_EQ(settings.buffer_memory, 64 << 20);
  EXPECT_EQ(settings.resolvers,
            "10.0.0.1:53,10.0.0.2:5353,[::1]:53,[::2]:54,[::3]:53");
  EXPECT_EQ(settings.ports_file, "/run/ports");
  EXPECT_EQ(settings.ready_fd, 2);
  EXPECT_EQ(settings.drain.delay, seconds(1));
  EXPECT_EQ(settings.drain.idle, seconds(2));
  EXPECT_EQ(settings.drain.spread, Duration::zero());
  EXPECT_EQ(settings.drain.timeout, seconds(60));
  EXPECT_TRUE(settings.verbose);
}

TEST_F(CommandLineTest, KnowsPollersAndPolicies) {
  EXPECT_EQ(SettingsOf({"--poller=poll"}).poller, PollerKind::kPoll);
  EXPECT_EQ(SettingsOf({"--poller=io_uring"}).poller, PollerKind::kIoUring);
  EXPECT_EQ(SettingsOf({"--shard=local"}).shard, ShardPolicy::kLocal);
  EXPECT_EQ(SettingsOf({"--shard=lag"}).shard, ShardPolicy::kLag);
  EXPECT_EQ(SettingsOf({"--accept=reuseport"}).accept, AcceptMode::kReuseport);
  EXPECT_EQ(SettingsOf({"--accept=dedicated"}).accept, AcceptMode::kDedicated);
}

TEST_F(CommandLineTest, RefusesPoliciesThatDoNotGoWithTheRest) {
  EXPECT_EQ(ErrorOf({"1=db:1", "--shard=lag", "--noloop_metrics"}),
            "--shard=lag: goes by the lag of the loops, which "
            "--noloop_metrics does not measure; take one of the two away");
  EXPECT_EQ(ErrorOf({"1=db:1", "--shard=local", "--accept=dedicated"}),
            "--shard=local: with --accept=dedicated the loop that accepts "
            "serves no connections; take least");
}

TEST_F(CommandLineTest, TakesEveryFormOfAFlag) {
  EXPECT_EQ(SettingsOf({"--reactors", "3"}).reactors, 3);
  EXPECT_EQ(SettingsOf({"-reactors=3"}).reactors, 3);
  EXPECT_EQ(SettingsOf({"--max-connections=3"}).max_connections, 3);
  EXPECT_EQ(SettingsOf({"--reactors=3", "--reactors=4"}).reactors, 4);
  EXPECT_EQ(SettingsOf({"--ready_fd", "-1"}).ready_fd, -1);
  EXPECT_TRUE(SettingsOf({"-v"}).verbose);
  EXPECT_TRUE(SettingsOf({"--verbose=yes"}).verbose);
  EXPECT_FALSE(SettingsOf({"-v", "--verbose=false"}).verbose);
  EXPECT_FALSE(SettingsOf({"-v", "--noverbose"}).verbose);
  EXPECT_FALSE(SettingsOf({"-v", "--no-verbose"}).verbose);
  EXPECT_EQ(SettingsOf({"--ports_file="}).ports_file, "");
}

TEST_F(CommandLineTest, TakesFlagsAfterForwards) {
  const absl::StatusOr<CommandLine> line =
      Parse({"1=db:1", "--reactors=2", "2=db:2"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(std::get<RunCommand>(*line).settings.reactors, 2);
  EXPECT_EQ(std::get<RunCommand>(*line).forwards.size(), 2u);
}

TEST_F(CommandLineTest, TwoDashesEndFlags) {
  EXPECT_THAT(ErrorOf({"--", "--reactors=2"}), HasSubstr("--reactors=2\n"));
}

TEST_F(CommandLineTest, KnowsAdminAddresses) {
  EXPECT_FALSE(SettingsOf({"--admin=off"}).admin.has_value());
  EXPECT_FALSE(SettingsOf({"--admin="}).admin.has_value());
  EXPECT_EQ(SettingsOf({"--admin=9000"}).admin->kind,
            ListenSpec::Kind::kHostPort);
  EXPECT_EQ(SettingsOf({"--admin=9000"}).admin->host, "127.0.0.1");
  EXPECT_EQ(SettingsOf({"--admin=localhost:0"}).admin->host, "127.0.0.1");
  EXPECT_EQ(SettingsOf({"--admin=[::1]:9000"}).admin->host, "::1");
  EXPECT_EQ(SettingsOf({"--admin=[::]:9000"}).admin->port, 9000);
  for (const char* const path : {"--admin=/run/a", "--admin=unix:/run/a"}) {
    EXPECT_EQ(SettingsOf({path}).admin->kind, ListenSpec::Kind::kUnix);
    EXPECT_EQ(SettingsOf({path}).admin->path, "/run/a");
  }
  // Asked for, though it is the default's text.
  EXPECT_FALSE(SettingsOf({"--admin=127.0.0.1:9464"}).admin_is_default);
}

TEST_F(CommandLineTest, KnowsProbeAddresses) {
  EXPECT_FALSE(SettingsOf({}).probes.has_value());
  EXPECT_FALSE(SettingsOf({"--probes=off"}).probes.has_value());
  EXPECT_EQ(SettingsOf({"--probes=9000"}).probes->host, "127.0.0.1");
  EXPECT_EQ(SettingsOf({"--probes=0.0.0.0:9000"}).probes->host, "0.0.0.0");
  EXPECT_EQ(FlagError("--probes=any:9000"),
            "--probes=any:9000: must be one address, such as 0.0.0.0:9000 or "
            "[::]:9000");
  EXPECT_EQ(FlagError("--probes=/run/probes"),
            "--probes=/run/probes: must be an address; --admin takes a path");
  EXPECT_EQ(FlagError("--probes=db:9000"),
            "--probes=db:9000: 'db' is not an address");
  EXPECT_EQ(ErrorOf({"--probes=8080", "web@any:8080=db:1"}),
            "--probes=8080: web listens there (web@any:8080=db:1)");
  EXPECT_EQ(ErrorOf({"--probes=0.0.0.0:9", "--admin=9", "1=db:1"}),
            "--probes=0.0.0.0:9: the admin port listens there (--admin=9)");
  // An admin port that nobody asked for goes elsewhere.
  EXPECT_TRUE(SettingsOf({"--probes=0.0.0.0:9464"}).probes.has_value());
}

TEST_F(CommandLineTest, KnowsHowLoopsAreWatched) {
  const Settings settings = SettingsOf({});
  EXPECT_EQ(settings.stall_threshold, std::chrono::milliseconds(10));
  EXPECT_FALSE(settings.allow_stall_injection);
  EXPECT_TRUE(settings.loop_metrics);
  EXPECT_EQ(SettingsOf({"--stall_threshold=1ms"}).stall_threshold,
            std::chrono::milliseconds(1));
  EXPECT_TRUE(SettingsOf({"--allow-stall-injection"}).allow_stall_injection);
  EXPECT_FALSE(SettingsOf({"--noloop_metrics"}).loop_metrics);
  EXPECT_EQ(FlagError("--stall_threshold=0"),
            "--stall_threshold=0: must be at least 1ms");
  EXPECT_THAT(FlagError("--stall_threshold=10"),
              testing::StartsWith("--stall_threshold=10: "));
}

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

TEST_F(CommandLineTest, AccessLog) {
  const AccessLogSettings none = SettingsOf({}).access_log;
  EXPECT_EQ(none.file, "");
  EXPECT_EQ(none.format, AccessFormat::kJson);
  EXPECT_FALSE(none.open_lines);
  EXPECT_EQ(none.every, kForever);
  EXPECT_EQ(none.buffer, 1 << 20);
  EXPECT_EQ(none.file_io, AioCompletion::kPolled);
  const AccessLogSettings all =
      SettingsOf({"--access_log=/dev/stdout", "--access_log_format=logfmt",
                  "--access_log_open", "--access_log_every=1m",
                  "--access_log_buffer=64KiB", "--file_io=thread"})
          .access_log;
  EXPECT_EQ(all.file, "/dev/stdout");
  EXPECT_EQ(all.format, AccessFormat::kLogfmt);
  EXPECT_TRUE(all.open_lines);
  EXPECT_EQ(all.every, seconds(60));
  EXPECT_EQ(all.buffer, 64 * 1024);
  EXPECT_EQ(all.file_io, AioCompletion::kThread);
  EXPECT_EQ(
      SettingsOf({"--access_log=a", "--file_io=signal"}).access_log.file_io,
      AioCompletion::kSignal);
  EXPECT_EQ(
      SettingsOf({"--access_log=a", "--access_log_every=off"}).access_log.every,
      kForever);
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

TEST_F(CommandLineTest, ForwardsMayNotTakeTheAdminPort) {
  EXPECT_EQ(ErrorOf({"--admin=8080", "web@any:8080=db:1"}),
            "--admin=8080: web listens there (web@any:8080=db:1)");
  // An admin port that nobody asked for goes elsewhere.
  EXPECT_TRUE(Parse({"9464=db:1"}).ok());
}

TEST_F(CommandLineTest, ReadsTheEnvironment) {
  EXPECT_EQ(SettingsOf({}, {"WEIR_REACTORS=2"}).reactors, 2);
  EXPECT_TRUE(SettingsOf({}, {"WEIR_VERBOSE=1"}).verbose);
  EXPECT_FALSE(SettingsOf({}, {"WEIR_ADMIN="}).admin.has_value());
  EXPECT_EQ(ErrorOf({"1=db:1"}, {"WEIR_REACTORS=x"}),
            "WEIR_REACTORS=x: must be a whole number, at most 2147483647");
}

TEST_F(CommandLineTest, VariablesThatAreNearlyFlagsAreErrors) {
  EXPECT_EQ(ErrorOf({"1=db:1"}, {"WEIR_REACTOR=2"}),
            "unknown variable WEIR_REACTOR; did you mean WEIR_REACTORS?");
  EXPECT_EQ(ErrorOf({"1=db:1"}, {"WEIR_ADMIM=x"}),
            "unknown variable WEIR_ADMIM; did you mean WEIR_ADMIN?");
  EXPECT_EQ(ErrorOf({"1=db:1"}, {"WEIR_FORWARD=x"}),
            "unknown variable WEIR_FORWARD; did you mean WEIR_FORWARDS?");
}

// Kubernetes sets these in every pod when a service is called weir.
TEST_F(CommandLineTest, OtherVariablesAreLeftAlone) {
  EXPECT_EQ(SettingsOf({}, {"WEIR_SERVICE_HOST=10.0.0.1",
                            "WEIR_PORT=tcp://10.0.0.1:80",
                            "WEIR_PORT_80_TCP_ADDR=10.0.0.1", "WEIRD=1",
                            "REACTORS=7", "WEIR_HOME=/opt/weir"})
                .reactors,
            0);
}

TEST_F(CommandLineTest, ReadsForwardsFromTheEnvironment) {
  const Strings env = {"WEIR_FORWARDS= pg@5432=db:5432  web@8080=app:80\n"};
  absl::StatusOr<CommandLine> line = Parse({}, env);
  ASSERT_TRUE(line.ok()) << line.status();
  ASSERT_EQ(std::get<RunCommand>(*line).forwards.size(), 2u);
  EXPECT_EQ(std::get<RunCommand>(*line).forwards[1].name, "web");
  // The command line wins.
  line = Parse({"1=db:1"}, env);
  ASSERT_TRUE(line.ok()) << line.status();
  ASSERT_EQ(std::get<RunCommand>(*line).forwards.size(), 1u);
  EXPECT_EQ(std::get<RunCommand>(*line).forwards[0].name, "p1");
}

TEST_F(CommandLineTest, ReadsFlagFiles) {
  const std::string file =
      File("# loops\n\n  --reactors=2 \n-poller=poll\n--verbose\n");
  const Settings settings = SettingsOf({"--flagfile=" + file});
  EXPECT_EQ(settings.reactors, 2);
  EXPECT_EQ(settings.poller, PollerKind::kPoll);
  EXPECT_TRUE(settings.verbose);
  EXPECT_EQ(SettingsOf({"--flagfile", file}).reactors, 2);
  EXPECT_EQ(SettingsOf({}, {"WEIR_FLAGFILE=" + file}).reactors, 2);
  EXPECT_EQ(
      SettingsOf({"--flagfile=" + file, "--flagfile=" + File("--reactors=3")})
          .reactors,
      3);
}

TEST_F(CommandLineTest, FlagBeatsVariableBeatsFile) {
  const std::string file =
      File("--reactors=1\n--max_connections=1\n--drain_idle=1s\n");
  const Settings settings =
      SettingsOf({"--reactors=3", "--flagfile=" + file},
                 {"WEIR_REACTORS=2", "WEIR_MAX_CONNECTIONS=2"});
  EXPECT_EQ(settings.reactors, 3);
  EXPECT_EQ(settings.max_connections, 2);
  EXPECT_EQ(settings.drain.idle, seconds(1));
}

TEST_F(CommandLineTest, FlagFilesAreChecked) {
  const auto error_in = [this](const std::string& text) {
    const std::string file = File(text);
    std::string error = ErrorOf({"--flagfile=" + file, "1=db:1"});
    EXPECT_EQ(error.compare(0, file.size(), file), 0) << error;
    return error.substr(file.size());
  };
  EXPECT_EQ(error_in("--reactors=2\n\n--reactor=3\n"),
            ":3: unknown flag --reactor; did you mean --reactors?");
  EXPECT_EQ(error_in("--logtostderr\n"),
            ":1: unknown flag --logtostderr; weir --help lists them");
  EXPECT_EQ(error_in("--reactors=x\n"),
            ":1: --reactors=x: must be a whole number, at most 2147483647");
  EXPECT_EQ(error_in("--reactors\n"),
            ":1: --reactors needs a value: --reactors=N");
  EXPECT_EQ(error_in("5432=db:5432\n"),
            ":1: '5432=db:5432' is not a flag: a line is --flag=value or a # "
            "comment");
  EXPECT_EQ(error_in("--flagfile=x\n"), ":1: a flag file cannot name another");
  EXPECT_EQ(error_in("--help\n"), ":1: --help belongs on the command line");
}

TEST_F(CommandLineTest, FlagFilesMustBeThere) {
  EXPECT_EQ(FlagError("--flagfile=/nowhere/flags"),
            "--flagfile=/nowhere/flags: No such file or directory");
  EXPECT_EQ(FlagError("--flagfile=/"), "--flagfile=/: Is a directory");
  EXPECT_EQ(ErrorOf({"--flagfile"}),
            "--flagfile needs a value: --flagfile=FILE");
}

TEST_F(CommandLineTest, Checks) {
  absl::StatusOr<CommandLine> line = Parse({"check", "pg@5432=db:5432"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(std::get<CheckCommand>(*line).forwards[0].name, "pg");
  EXPECT_FALSE(std::get<CheckCommand>(*line).dial);
  line = Parse({"check", "--dial"}, {"WEIR_FORWARDS=1=db:1"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_TRUE(std::get<CheckCommand>(*line).dial);
  EXPECT_EQ(ErrorOf({"check"}), "nothing to check: weir check FORWARD...");
  EXPECT_EQ(ErrorOf({"--dial", "1=db:1"}), "--dial belongs to weir check");
}

TEST_F(CommandLineTest, SpeaksToAWeirThatRuns) {
  using Verb = ClientCommand::Verb;
  const auto client = [](const Strings& args, const Strings& env = {}) {
    const absl::StatusOr<CommandLine> line = Parse(args, env);
    EXPECT_TRUE(line.ok()) << line.status();
    return line.ok() ? std::get<ClientCommand>(*line) : ClientCommand();
  };
  EXPECT_EQ(client({"top"}).verb, Verb::kTop);
  EXPECT_FALSE(client({"top"}).admin.has_value());
  EXPECT_FALSE(client({"status"}).json);
  EXPECT_TRUE(client({"status", "--json"}).json);
  EXPECT_FALSE(client({"drain"}).wait);
  EXPECT_EQ(client({"drain", "--wait"}).timeout, seconds(30));
  EXPECT_TRUE(client({"drain", "--wait"}).wait);
  EXPECT_EQ(client({"wait", "--timeout=5s"}).timeout, seconds(5));
  EXPECT_EQ(client({"kill", "17"}).connection, 17u);
  EXPECT_EQ(client({"kill", "17"}).forward, "");
  EXPECT_EQ(client({"kill", "pg#18"}).connection, 18u);
  EXPECT_EQ(client({"kill", "pg#18"}).forward, "pg");
  EXPECT_EQ(client({"status", "--admin=9465"}).admin->port, 9465);
  // The environment may be a proxy's own: of it only the address counts.
  const ClientCommand command =
      client({"status"}, {"WEIR_ADMIN=[::1]:7", "WEIR_READY_FD=77",
                          "WEIR_REACTORS=3", "WEIR_FORWARDS=1=db:1"});
  EXPECT_EQ(command.admin->host, "::1");
  EXPECT_EQ(command.admin->port, 7);
  // An address that nobody can be asked at is none.
  for (const char* admin : {"off", "0", "127.0.0.1:0", ""}) {
    EXPECT_FALSE(client({"status"}, {std::string("WEIR_ADMIN=") + admin})
                     .admin.has_value())
        << admin;
  }
}

TEST_F(CommandLineTest, ACommandTakesItsOwnFlagsOnly) {
  EXPECT_EQ(ErrorOf({"top", "--json"}), "--json belongs to weir status");
  EXPECT_EQ(ErrorOf({"1=db:1", "--wait"}), "--wait belongs to weir drain");
  EXPECT_EQ(ErrorOf({"status", "--timeout=1s"}),
            "--timeout belongs to weir drain and weir wait");
  EXPECT_EQ(ErrorOf({"demo", "--timeout=1s"}),
            "--timeout belongs to weir drain and weir wait");
  EXPECT_EQ(ErrorOf({"drain", "--drain-timeout=1s"}),
            "--drain_timeout means nothing to weir drain, which asks a weir "
            "that runs");
  EXPECT_EQ(ErrorOf({"wait", "--timeout=soon"}),
            "--timeout=soon: 'soon' is not a time, such as 5s");
  EXPECT_EQ(ErrorOf({"status", "--admin=0"}),
            "--admin=0: port 0 cannot be asked");
  EXPECT_EQ(ErrorOf({"status", "--admin=off"}),
            "--admin=off: names no address; without it a weir that runs is "
            "found");
  EXPECT_EQ(ErrorOf({"status", "x"}), "weir status: 'x' is too much");
  EXPECT_EQ(ErrorOf({"kill", "1", "2"}), "weir kill: '2' is too much");
  EXPECT_THAT(ErrorOf({"kill"}), HasSubstr("which connection?"));
  for (const char* id : {"", "x", "-", "1x", "pg#", "99999999999999999999"}) {
    EXPECT_THAT(ErrorOf({"kill", id}), HasSubstr("a connection is a number"));
  }
  // (Not the slip of a finger either: nobody makes such a variable.)
  EXPECT_TRUE(Parse({"status"}, {"WEIR_TIMEOUT=1s", "WEIR_WAIT=1"}).ok());
  EXPECT_EQ(ErrorOf({"statu"}),
            "unknown command 'statu'; did you mean 'status'?");
}

TEST_F(CommandLineTest, Demonstrates) {
  const absl::StatusOr<CommandLine> line = Parse({"demo", "--reactors=2"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(std::get<DemoCommand>(*line).settings.reactors, 2);
  EXPECT_EQ(ErrorOf({"demo", "1=db:1"}),
            "weir demo brings its own forward: '1=db:1' is too much");
}

TEST_F(CommandLineTest, RefusesUnknownCommands) {
  EXPECT_EQ(ErrorOf({"chek"}), "unknown command 'chek'; did you mean 'check'?");
  EXPECT_EQ(ErrorOf({"db"}),
            "unknown command 'db'; a forward is "
            "LISTEN=TARGET, such as 5432=db:5432");
}

TEST_F(CommandLineTest, WithoutArgumentsShowsExamples) {
  const std::string error = ErrorOf({});
  EXPECT_THAT(error, testing::StartsWith("nothing to forward; weir --help"));
  EXPECT_THAT(error, HasSubstr("weir 5432=db:5432"));
  EXPECT_THAT(error, HasSubstr("weir any:8080=3000"));
  EXPECT_THAT(error, HasSubstr("weir demo"));
  EXPECT_EQ(ErrorOf({}, {"WEIR_FORWARDS= "}), error);
}

TEST_F(CommandLineTest, ShowsTheVersion) {
  for (const char* flag : {"--version", "-version"}) {
    const absl::StatusOr<CommandLine> line = Parse({flag});
    ASSERT_TRUE(line.ok()) << line.status();
    EXPECT_EQ(std::get<VersionCommand>(*line).text, "weir 0.1.0\n");
  }
}

TEST_F(CommandLineTest, ShowsHelp) {
  for (const Strings& args :
       {Strings{"--help"}, Strings{"-h"}, Strings{"help"},
        Strings{"check", "--help"}, Strings{"1=db:1", "-h"}}) {
    const absl::StatusOr<CommandLine> line = Parse(args);
    ASSERT_TRUE(line.ok()) << line.status();
    EXPECT_TRUE(std::holds_alternative<HelpCommand>(*line)) << args[0];
  }
}

// Help is help even when the environment is wrong.
TEST_F(CommandLineTest, HelpNeedsNothingElse) {
  EXPECT_TRUE(Parse({"--help"}, {"WEIR_REACTORS=x"}).ok());
  EXPECT_TRUE(Parse({"--version", "--flagfile=/nowhere"}).ok());
}

std::string Help() {
  const char* argv[] = {"weir", "--help"};
  const char* env[] = {nullptr};
  return std::get<HelpCommand>(*ParseCommandLine(2, argv, env)).text;
}

TEST_F(CommandLineTest, HelpFitsATerminal) {
  for (const auto line : absl::StrSplit(Help(), '\n')) {
    EXPECT_LE(line.size(), 80u) << line;
  }
}

TEST_F(CommandLineTest, HelpShowsOurFlagsOnly) {
  const std::string help = Help();
  for (const FlagInfo& flag : WeirFlags()) {
    EXPECT_THAT(help, HasSubstr("  --" + std::string(flag.name)));
  }
  EXPECT_THAT(help, Not(HasSubstr("logtostderr")));
  EXPECT_THAT(help, Not(HasSubstr("fromenv")));
}

// A flag is ours when flags.cc defines it: none is forgotten in the table, and
// all in it exist.
TEST_F(CommandLineTest, TableHasEveryFlag) {
  std::vector<gflags::CommandLineFlagInfo> all;
  gflags::GetAllFlags(&all);
  size_t ours = 0;
  for (const gflags::CommandLineFlagInfo& flag : all) {
    const bool defined_here =
        flag.filename.find("proxy/config/flags.cc") != std::string::npos;
    EXPECT_EQ(FindFlag(flag.name) != nullptr, defined_here) << flag.name;
    if (defined_here) ++ours;
  }
  EXPECT_EQ(ours, WeirFlags().size());
}

}  // namespace
}  // namespace weir
