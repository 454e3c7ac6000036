// Public. The threads that reactors run on.

#ifndef REACTOR_REACTOR_POOL_H_
#define REACTOR_REACTOR_POOL_H_

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "reactor/clock.h"
#include "reactor/reactor.h"

namespace weir {

// Owns reactors and, between Start() and Join(), a thread for each. Its methods
// belong to one thread, the one that built it; size(), reactor() and Stop() to
// any thread while the pool lives.
class ReactorPool {
 public:
  struct Options {
    // Where not empty: reactor i runs on the processor cpus[i % size] only.
    std::vector<int> cpus;
  };

  // None of `reactors` is null. A thread has the name of its reactor, of which
  // the kernel keeps 15 bytes.
  explicit ReactorPool(std::vector<std::unique_ptr<Reactor>> reactors)
      : ReactorPool(std::move(reactors), Options()) {}
  ReactorPool(std::vector<std::unique_ptr<Reactor>> reactors, Options options);
  ReactorPool(const ReactorPool&) = delete;
  ReactorPool& operator=(const ReactorPool&) = delete;
  // Stops, joins and destroys the reactors with the tasks that never ran.
  ~ReactorPool();

  // Starts the threads, once. Fails, with none of them left, where the system
  // gives no more. Call BlockSignals() before.
  absl::Status Start();
  // A line for each processor that was refused; its reactor runs anywhere.
  // Valid after Start().
  const std::vector<std::string>& warnings() const { return warnings_; }

  // Asks each reactor to stop after the round that it is in.
  void Stop();
  // Waits until they did. Nothing when no thread runs.
  void Join();
  // The same for at most `limit`: false when a thread did not end by then (a
  // callback hangs). All of them run or wait to be joined then, as before.
  [[nodiscard]] bool JoinWithin(Duration limit);

  size_t size() const { return reactors_.size(); }
  Reactor& reactor(size_t i) const { return *reactors_[i]; }

 private:
  // What each thread does.
  void ThreadMain(Reactor* reactor);

  const Options options_;
  const std::vector<std::unique_ptr<Reactor>> reactors_;
  std::vector<std::string> warnings_;
  std::vector<std::thread> threads_;

  std::mutex mutex_;
  std::condition_variable ended_changed_;
  size_t ended_ = 0;  // threads whose loop is over; under mutex_
};

}  // namespace weir

#endif  // REACTOR_REACTOR_POOL_H_
