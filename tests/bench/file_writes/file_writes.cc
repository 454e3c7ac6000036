// A loop that serves clients and logs a line of each round trip to a file, in
// one of several ways: what does the file do to the loop?
//
//   file_writes WAY FILE BATCH_MILLISECONDS MILLISECONDS CLIENTS
//
// WAY is as in line_sink.h. The loop is weir's, with its monitor, on one
// thread; the clients are on another. Each of the two has a processor where
// there are two, and what helps with the file may use any. After a moment of
// traffic it prints "begun", measures for so long, writes what waits, and
// prints one line of JSON:
//
//   seconds, round_trips       of the clients
//   p50_us ... max_us          of the round trips, as the clients see them
//   logged, written, dropped   lines in this time
//   cpu_seconds                user and system, of all threads but the clients'
//   lag_bounds_ns, lag_ns      weir's lag histogram of the loop: the time in
//                              each bucket; the last one has no bound
//   lag_integral               of the lag over time, in seconds squared
//   total                      {logged, written, dropped} from the start to the
//                              end
//
// or {"unavailable": REASON}.

#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "metrics/lag_histogram.h"
#include "metrics/quiet_thread.h"
#include "reactor/clock.h"
#include "reactor/fd.h"
#include "reactor/loop_monitor.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"
#include "reactor/signals.h"
#include "reactor/thread_usage.h"
#include "tests/bench/file_writes/echo_connection.h"
#include "tests/bench/file_writes/echo_traffic.h"
#include "tests/bench/file_writes/line_log.h"
#include "tests/bench/file_writes/line_sink.h"

namespace weir {
namespace {

constexpr std::chrono::milliseconds kWarmUp{40};

struct Arguments {
  std::string way;
  std::string path;
  int batch_ms = 0;
  int ms = 0;
  int clients = 0;
};

bool Parse(int argc, char** argv, Arguments* arguments) {
  if (argc != 6) return false;
  arguments->way = argv[1];
  arguments->path = argv[2];
  return absl::SimpleAtoi(argv[3], &arguments->batch_ms) &&
         arguments->batch_ms >= 0 &&
         absl::SimpleAtoi(argv[4], &arguments->ms) && arguments->ms > 0 &&
         absl::SimpleAtoi(argv[5], &arguments->clients) &&
         arguments->clients > 0;
}

double SecondsOf(const timeval& time) {
  return static_cast<double>(time.tv_sec) +
         1e-6 * static_cast<double>(time.tv_usec);
}

double CpuSeconds(int who) {
  rusage usage{};
  getrusage(who, &usage);
  return SecondsOf(usage.ru_utime) + SecondsOf(usage.ru_stime);
}

enum class Processor { kFirst, kLast };

// The calling thread runs there alone, unless there is no other. (Else a
// wake-up pulls the two threads onto one processor, and off again, as it
// likes.)
void MoveTo(Processor which) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return;
  std::vector<size_t> known;
  for (size_t i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &allowed)) known.push_back(i);
  }
  if (known.size() < 2) return;
  cpu_set_t wanted;
  CPU_ZERO(&wanted);
  CPU_SET(which == Processor::kFirst ? known.front() : known.back(), &wanted);
  sched_setaffinity(0, sizeof(wanted), &wanted);
}

// What has been so far. Taken by the clients' thread.
struct Sample {
  Sample(const LineLog& log, const LoopMonitor& monitor)
      : lines(log.counts()),
        cpu_seconds(CpuSeconds(RUSAGE_SELF) - CpuSeconds(RUSAGE_THREAD)),
        lag(monitor.Read(Clock::Real())) {}

  LineLog::Counts lines;
  double cpu_seconds;
  LagHistogram::Snapshot lag;
};

std::string Counts(const LineLog::Counts& counts) {
  return absl::StrCat("\"logged\": ", counts.logged,
                      ", \"written\": ", counts.written,
                      ", \"dropped\": ", counts.dropped);
}

std::string Json(const Sample& before, const Sample& after,
                 EchoTraffic::Result traffic) {
  std::vector<uint64_t> lag;
  for (size_t i = 0; i < LagHistogram::kBuckets; ++i) {
    lag.push_back(after.lag.bucket_ns[i] - before.lag.bucket_ns[i]);
  }
  std::ostringstream json;
  json << "\"seconds\": " << traffic.seconds
       << ", \"round_trips\": " << traffic.round_trips << ", "
       << Counts({after.lines.logged - before.lines.logged,
                  after.lines.written - before.lines.written,
                  after.lines.dropped - before.lines.dropped})
       << ", \"cpu_seconds\": " << after.cpu_seconds - before.cpu_seconds
       << ", \"lag_bounds_ns\": [" << absl::StrJoin(LagHistogram::kBounds, ", ")
       << "], \"lag_ns\": [" << absl::StrJoin(lag, ", ")
       << "], \"lag_integral\": "
       << after.lag.lag_integral - before.lag.lag_integral
       << traffic.latency.Json();
  return json.str();
}

// The clients' thread: the members of the answer.
std::string Measure(EchoTraffic& traffic, std::chrono::milliseconds time,
                    const LineLog& log, const LoopMonitor& monitor,
                    Reactor& reactor) {
  MoveTo(Processor::kLast);
  traffic.Run(kWarmUp);
  // Now, for the threads that the loop has started by writing have the
  // processors that it had.
  reactor.Post([] { MoveTo(Processor::kFirst); });
  traffic.Run(kWarmUp);
  std::puts("begun");
  std::fflush(stdout);
  const Sample before(log, monitor);
  EchoTraffic::Result result = traffic.Run(time);
  const Sample after(log, monitor);
  traffic.Finish();
  return Json(before, after, std::move(result));
}

int Fail(const std::string& what) {
  std::fprintf(stderr, "file_writes: %s\n", what.c_str());
  return 1;
}

int Fail(const absl::Status& status) {
  return Fail(std::string(status.message()));
}

int Run(const Arguments& arguments) {
  if (absl::Status blocked = BlockSignals(); !blocked.ok()) {
    return Fail(blocked);
  }
  absl::StatusOr<std::unique_ptr<Poller>> poller =
      MakePoller(PollerKind::kEpoll);
  if (!poller.ok()) return Fail(poller.status());
  LoopMonitor monitor;
  Reactor::Options options;
  options.poller = *std::move(poller);
  options.monitor = &monitor;
  Reactor reactor(std::move(options));
  absl::StatusOr<std::unique_ptr<LineSink>> sink =
      MakeLineSink(arguments.way, arguments.path, &reactor);
  if (absl::IsUnavailable(sink.status())) {
    std::printf("{\"unavailable\": \"%s\"}\n",
                std::string(sink.status().message()).c_str());
    return 0;
  }
  if (!sink.ok()) return Fail(sink.status());
  LineLog log(&reactor, sink->get(),
              std::chrono::milliseconds(arguments.batch_ms));

  std::vector<std::unique_ptr<EchoConnection>> connections;
  std::vector<UniqueFd> clients;
  for (int i = 0; i < arguments.clients; ++i) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      return Fail("cannot make a pair of sockets");
    }
    connections.push_back(
        std::make_unique<EchoConnection>(UniqueFd(ends[0]), &log, &reactor));
    clients.emplace_back(ends[1]);
  }
  EchoTraffic traffic(std::move(clients));
  std::string answer;
  absl::StatusOr<std::thread> thread = StartQuietThread("clients", [&] {
    answer = Measure(traffic, std::chrono::milliseconds(arguments.ms), log,
                     monitor, reactor);
    reactor.Post([&log] { log.Finish(); });
  });
  if (!thread.ok()) return Fail(thread.status());
  monitor.Started(ThreadUsage::OfThisThread());
  reactor.Run();
  thread->join();
  std::printf("{%s, \"total\": {%s}}\n", answer.c_str(),
              Counts(log.counts()).c_str());
  return 0;
}

}  // namespace
}  // namespace weir

int main(int argc, char** argv) {
  weir::Arguments arguments;
  if (!weir::Parse(argc, argv, &arguments)) {
    return weir::Fail(
        "use: file_writes WAY FILE BATCH_MILLISECONDS MILLISECONDS CLIENTS");
  }
  return weir::Run(arguments);
}
