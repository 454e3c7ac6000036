// Internal to tests/bench/file_writes. Clients at full speed: each sends a
// message when the one before came back.

#ifndef TESTS_BENCH_FILE_WRITES_ECHO_TRAFFIC_H_
#define TESTS_BENCH_FILE_WRITES_ECHO_TRAFFIC_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "reactor/fd.h"
#include "tests/bench/latency_log.h"

namespace weir {

// One thread only.
class EchoTraffic {
 public:
  static constexpr size_t kMessageBytes = 64;

  explicit EchoTraffic(std::vector<UniqueFd> clients);

  struct Result {
    uint64_t round_trips = 0;
    double seconds = 0;
    LatencyLog latency;
  };
  // Goes on from where it stopped, for so long and until a message came back.
  // The last ones are under way when it returns.
  Result Run(std::chrono::milliseconds time);
  // Waits for the last answers.
  void Finish();

 private:
  using Clock = std::chrono::steady_clock;

  struct Client {
    UniqueFd fd;
    Clock::time_point asked;
    size_t got = 0;  // of the answer
  };

  void Send(Client& client, Clock::time_point now);
  // Looks once what came; adds it to `result`, and sends again unless
  // `finishing`.
  void Round(Result* result, bool finishing);

  const UniqueFd epoll_;
  std::vector<Client> clients_;
  size_t under_way_ = 0;
};

}  // namespace weir

#endif  // TESTS_BENCH_FILE_WRITES_ECHO_TRAFFIC_H_
