// Internal to tests/bench/load. What a line of its input asks for.

#ifndef TESTS_BENCH_LOAD_COMMAND_H_
#define TESTS_BENCH_LOAD_COMMAND_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace weir {

// The most bytes of a message.
inline constexpr size_t kMostBytes = size_t{1} << 18;
// The most commands of a line.
inline constexpr size_t kMostCommands = 8;

enum class LoadMode {
  kPingPong,
  kConnect,
  kChurn,
  kUp,
  kDown,
  kIdle,
};

struct LoadCommand {
  LoadMode mode = LoadMode::kIdle;
  int port = 0;  // of the proxy
  size_t connections = 0;
  size_t bytes = 1;  // of a message
  uint64_t count = std::numeric_limits<uint64_t>::max();
  std::chrono::milliseconds time = std::chrono::hours(24);
  // kChurn: one of so many connections, as if at random, is a long one, until
  // there are so many.
  uint64_t long_each = 0;
  uint64_t long_most = 0;
};

// False when the line is no command, nor several joined by " & ". Only one may
// be kIdle, and then alone.
bool ParseLoad(const std::string& line, std::vector<LoadCommand>* commands);

}  // namespace weir

#endif  // TESTS_BENCH_LOAD_COMMAND_H_
