// Internal. io_uring: one poll request per armed direction, all of a round
// submitted by the call that waits.

#ifndef REACTOR_POLLERS_IO_URING_POLLER_H_
#define REACTOR_POLLERS_IO_URING_POLLER_H_

#include <liburing.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "reactor/clock.h"
#include "reactor/poller.h"
#include "reactor/pollers/wake_up.h"

namespace weir {

// Polls only; Linux 5.19 suffices. Add(), Arm() and Forget() make no system
// call: they note what Wait() has to submit. A request in flight holds the
// file, so Forget() is pending until the kernel has given back each of the
// descriptor's requests. Threads: see Poller.
class IoUringPoller final : public Poller {
 public:
  // Unavailable, with the kernel's reason, where io_uring is lacking, too old,
  // forbidden or short of locked memory.
  static absl::StatusOr<std::unique_ptr<Poller>> Create();
  ~IoUringPoller() override;

  std::string_view name() const override { return "io_uring"; }
  int Add(int fd, uint64_t token, FdKind kind) override;
  void Arm(int fd, Interest interest) override;
  bool Forget(int fd, Forgetting how) override;
  void Wait(Duration timeout, std::vector<PollEvent>* events) override;
  void Wake() override { wake_.Signal(); }

 private:
  struct Entry {
    uint64_t token = 0;
    uint32_t generation = 0;  // goes into the requests' user_data
    FdKind kind = FdKind::kTcp;
    Interest armed = 0;
    // Directions with a request in the kernel; those among them that are
    // multishot, and those whose removal was asked for.
    Interest in_flight = 0;
    Interest multishot = 0;
    Interest removing = 0;
    // Level-triggered kinds: multishot requests that have reported. They would
    // wait for an edge now, so they are replaced.
    Interest spent = 0;
    bool known = false;
    bool leaving = false;  // forgotten, with requests in flight
    bool dirty = false;    // on dirty_
    // RDHUP was seen. The kernel reports it to every poll request, asked or
    // not.
    bool eof = false;
  };

  IoUringPoller() = default;

  absl::Status SetUp();
  Entry& Known(int fd);
  void MarkDirty(int fd, Entry* entry);
  // The next free request, submitting the others where there is none; null when
  // the kernel takes none now.
  io_uring_sqe* NextRequest();
  // Requests what is armed and not in flight, removes what is in flight and not
  // wanted. False when there was no room for all of it.
  bool Prepare(int fd);
  bool PrepareAll();
  // Submits, and waits for a completion.
  void Enter(Duration timeout);
  void Complete(const io_uring_cqe& cqe, std::vector<PollEvent>* events);

  WakeUp wake_;

  // Loop thread only.
  io_uring ring_ = {};
  bool is_set_up_ = false;
  bool is_enabled_ = false;
  bool wake_in_flight_ = false;
  uint32_t generation_ = 0;
  std::vector<Entry> entries_;  // by descriptor number
  // Descriptors for Prepare(), each once.
  std::vector<int> dirty_;
};

}  // namespace weir

#endif  // REACTOR_POLLERS_IO_URING_POLLER_H_
