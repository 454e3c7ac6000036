// Both peers of a proxy in one process and one thread: clients that connect to
// it, and the upstream that it connects to. So one core belongs to the load and
// the others to the proxy, and one process knows what arrived.
//
// Prints {"port": N}, the port of its upstream on 127.0.0.1, then reads
// commands and answers each with one line of JSON:
//
//   pingpong PORT CONNECTIONS BYTES COUNT MILLISECONDS  units: round trips
//   connect PORT CONCURRENT COUNT MILLISECONDS          units: connections
//   churn PORT CONCURRENT EACH MOST MILLISECONDS        the same
//   up PORT CONNECTIONS MILLISECONDS [COUNT]            units: bytes that came
//   down PORT CONNECTIONS MILLISECONDS [COUNT]          the same
//   idle PORT CONNECTIONS                               holds them
//   release                                             closes these
//
// A COUNT or MILLISECONDS of 0 is no limit; time goes on until each command has
// moved something. A unit of `connect` is: connect, a byte each way, close; of
// `churn` too, but one of EACH connections, until there are MOST, is a stream
// to the upstream until the end. Several commands joined by " & " run together;
// the first one says how long.
//
// The answer holds "units", "seconds", "bytes" (of streams) and "all" (units,
// with those before the first command started and after the time was over),
// "p50_us", "p99_us", "p999_us" and "max_us" of round trips or connections, and
// "beside", a list of the same for the other commands; or "error".

#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "tests/bench/load_command.h"
#include "tests/bench/load_engine.h"

int main() {
  weir::LoadEngine load;
  std::printf("{\"port\": %d}\n", load.port());
  std::fflush(stdout);
  std::string line;
  std::vector<weir::LoadCommand> commands;
  while (std::getline(std::cin, line)) {
    std::string answer = "{\"error\": \"no such command\"}";
    if (line == "release") {
      answer = load.Release();
    } else if (weir::ParseLoad(line, &commands)) {
      answer = load.Run(commands);
    }
    std::printf("%s\n", answer.c_str());
    std::fflush(stdout);
  }
  return 0;
}
