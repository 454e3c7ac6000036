// Internal to tests/bench/file_writes. The loop's other work: it sends back
// what comes, and logs a line of it.

#ifndef TESTS_BENCH_FILE_WRITES_ECHO_CONNECTION_H_
#define TESTS_BENCH_FILE_WRITES_ECHO_CONNECTION_H_

#include "reactor/fd.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"
#include "tests/bench/file_writes/line_log.h"

namespace weir {

// Loop thread only, but made before the loop runs.
class EchoConnection final : private EventHandler {
 public:
  // Both pointers outlive it. Ends the program where the kernel does not take
  // the descriptor.
  EchoConnection(UniqueFd fd, LineLog* log, Reactor* reactor);
  ~EchoConnection();
  EchoConnection(const EchoConnection&) = delete;
  EchoConnection& operator=(const EchoConnection&) = delete;

 private:
  void OnReady(Ready ready) noexcept override;

  LineLog& log_;
  Reactor& reactor_;
  UniqueFd fd_;
  Handle handle_ = Handle::kNone;
};

}  // namespace weir

#endif  // TESTS_BENCH_FILE_WRITES_ECHO_CONNECTION_H_
