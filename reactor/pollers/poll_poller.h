// Internal. poll(2): one compact array, asked anew each round.

#ifndef REACTOR_POLLERS_POLL_POLLER_H_
#define REACTOR_POLLERS_POLL_POLLER_H_

#include <poll.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "reactor/clock.h"
#include "reactor/poller.h"
#include "reactor/pollers/wake_up.h"

namespace weir {

// A round costs time in proportion to the descriptors known. Threads: see
// Poller.
class PollPoller final : public Poller {
 public:
  static absl::StatusOr<std::unique_ptr<Poller>> Create();

  std::string_view name() const override { return "poll"; }
  int Add(int fd, uint64_t token, FdKind kind) override;
  void Arm(int fd, Interest interest) override;
  bool Forget(int fd, Forgetting how) override;
  void Wait(Duration timeout, std::vector<PollEvent>* events) override;
  void Wake() override { wake_.Signal(); }

 private:
  struct Entry {
    uint64_t token;
    int fd;
    FdKind kind;
    Interest armed;
  };

  PollPoller();

  // The index of a known descriptor.
  size_t Known(int fd) const;
  // Writes what is armed for entries_[index] into its pollfd.
  void Update(size_t index);
  // Reports and disarms entries_[index], whose revents are set.
  void Report(size_t index, std::vector<PollEvent>* events);

  WakeUp wake_;

  // Loop thread only. The two arrays run in parallel; [0] is the wake-up.
  std::vector<pollfd> fds_;
  std::vector<Entry> entries_;
  std::vector<size_t> index_;  // by descriptor number; 0: not known
  // Where the next look begins: behind the last one reported when a batch was
  // full, so that nobody starves.
  size_t start_ = 1;
};

}  // namespace weir

#endif  // REACTOR_POLLERS_POLL_POLLER_H_
