// Internal. epoll(7): edge-triggered for streams, level-triggered for the rest.

#ifndef REACTOR_POLLERS_EPOLL_POLLER_H_
#define REACTOR_POLLERS_EPOLL_POLLER_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "reactor/clock.h"
#include "reactor/fd.h"
#include "reactor/poller.h"
#include "reactor/pollers/wake_up.h"

struct epoll_event;

namespace weir {

// A TCP socket costs one epoll_ctl in its life, at Add(). Threads: see Poller.
class EpollPoller final : public Poller {
 public:
  static absl::StatusOr<std::unique_ptr<Poller>> Create();

  std::string_view name() const override { return "epoll"; }
  int Add(int fd, uint64_t token, FdKind kind) override;
  void Arm(int fd, Interest interest) override;
  bool Forget(int fd, Forgetting how) override;
  void Wait(Duration timeout, std::vector<PollEvent>* events) override;
  void Wake() override { wake_.Signal(); }

 private:
  struct Entry {
    uint64_t token = 0;
    // Tells the registrations of one descriptor number apart.
    uint32_t generation = 0;
    FdKind kind = FdKind::kTcp;
    // What is armed. kTcp: always 0, for Arm() changes nothing. kUnix: kWrite
    // while OUT is registered.
    Interest armed = 0;
    bool known = false;
  };

  explicit EpollPoller(UniqueFd epoll);

  // The entry of a known descriptor.
  Entry& Known(int fd);
  // epoll_ctl(2) for a known descriptor. Returns 0 or an errno.
  int Control(int operation, int fd, const Entry& entry);
  // Control(EPOLL_CTL_MOD), which must work.
  void Modify(int fd, const Entry& entry);
  // epoll_pwait2, or epoll_wait where that is lacking (before 5.11) or
  // forbidden; retries nothing.
  int Call(Duration timeout, epoll_event* ready, int size);
  // Whether the alarm ends a wait that begins now after `timeout` at the
  // latest.
  bool SetAlarm(Duration timeout);
  void Report(const epoll_event& event, std::vector<PollEvent>* events);

  const UniqueFd epoll_;
  WakeUp wake_;
  UniqueFd alarm_;  // a timerfd, edge-triggered; invalid: there is none

  // Loop thread only.
  std::vector<Entry> entries_;  // by descriptor number
  uint32_t generation_ = 0;
  bool has_pwait2_ = true;
  MonoTime alarm_at_ = kNever;
};

}  // namespace weir

#endif  // REACTOR_POLLERS_EPOLL_POLLER_H_
