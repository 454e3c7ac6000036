// What flags set.

#include "proxy/config/settings.h"

#include <chrono>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proxy/config/accept_mode.h"
#include "proxy/config/access_format_kind.h"
#include "proxy/config/forward_spec.h"
#include "proxy/config/shard_policy_kind.h"
#include "reactor/async_file/completion.h"
#include "reactor/clock.h"
#include "reactor/poller.h"
#include "tests/proxy/config/command_line_rig.h"

namespace weir {
namespace {

using std::chrono::seconds;

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

}  // namespace
}  // namespace weir
