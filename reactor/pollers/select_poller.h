// Internal. select(2): for the sake of completeness, and for the tests of a
// relay that must not care.

#ifndef REACTOR_POLLERS_SELECT_POLLER_H_
#define REACTOR_POLLERS_SELECT_POLLER_H_

#include <sys/select.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "reactor/clock.h"
#include "reactor/poller.h"
#include "reactor/pollers/wake_up.h"

namespace weir {

// Takes descriptors below FD_SETSIZE only, and cannot tell an error from
// readiness: it reports errors and hang-ups as kReadable and kWritable, never
// kEnded nor kEof, and nothing at all where only kHangup is armed. Threads: see
// Poller.
class SelectPoller final : public Poller {
 public:
  // ResourceExhausted where the wake-up's own descriptor is beyond FD_SETSIZE.
  static absl::StatusOr<std::unique_ptr<Poller>> Create();

  std::string_view name() const override { return "select"; }
  int fd_limit() const override { return FD_SETSIZE; }
  int Add(int fd, uint64_t token, FdKind kind) override;
  void Arm(int fd, Interest interest) override;
  bool Forget(int fd, Forgetting how) override;
  void Wait(Duration timeout, std::vector<PollEvent>* events) override;
  void Wake() override { wake_.Signal(); }

 private:
  struct Entry {
    uint64_t token = 0;
    FdKind kind = FdKind::kTcp;
    Interest armed = 0;
    bool known = false;
  };

  SelectPoller();

  // The entry of a known descriptor.
  Entry& Known(int fd);
  // Writes what is armed for `fd` into the two sets.
  void Update(int fd, Interest armed);

  WakeUp wake_;

  // Loop thread only.
  std::array<Entry, FD_SETSIZE> entries_;  // by descriptor number
  fd_set read_;                            // asked for data and urgent marks
  fd_set write_;
  int end_ = 0;  // above every descriptor known
  // Where the next look begins: behind the last one reported when a batch was
  // full, so that nobody starves.
  int start_ = 0;
};

}  // namespace weir

#endif  // REACTOR_POLLERS_SELECT_POLLER_H_
