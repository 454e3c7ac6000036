#include "proxy/client/exit_watch.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "absl/status/statusor.h"
#include "proxy/client/readings.h"
#include "proxy/client/sampler.h"
#include "proxy/lifecycle/instance_file.h"
#include "reactor/errno_status.h"

namespace weir {
namespace {

constexpr Duration kBetweenLooks = std::chrono::milliseconds(100);

// Whether an instance file's address is the one that is asked.
bool IsAt(const Instance& instance, const AdminClient& client) {
  return FormatAdminAddress(AdminClient(instance.admin).address()) ==
         FormatAdminAddress(client.address());
}

// Nobody is there who could answer, now or later.
bool SaysGone(int error) {
  switch (error) {
    case ECONNREFUSED:
    case ENOENT:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETUNREACH:
    case ETIMEDOUT:
      return true;
    default:
      return false;
  }
}

}  // namespace

ExitWatch::ExitWatch(const AdminClient* client, int64_t pid,
                     const std::string& run_directory)
    : client_(client), pid_(pid) {
  const absl::StatusOr<std::vector<Instance>> live =
      LiveInstances(run_directory);
  if (!live.ok()) return;
  for (const Instance& instance : *live) {
    if (instance.pid != pid || !IsAt(instance, *client)) continue;
    process_ = UniqueFd(
        static_cast<int>(syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0)));
  }
}

ExitWatch::State ExitWatch::Wait(Duration time) {
  if (process_) {
    return WaitFor(time, process_.get()) ? State::kGone : State::kThere;
  }
  const MonoTime end = Clock::Real().Now() + time;
  Duration left = time;
  while (true) {
    const State state = Look(std::max(left, kBetweenLooks));
    left = end - Clock::Real().Now();
    if (state == State::kGone || left <= Duration::zero()) return state;
    WaitFor(std::min(left, kBetweenLooks));
    left = end - Clock::Real().Now();
  }
}

ExitWatch::State ExitWatch::Look(Duration time) const {
  AdminClient::Options options;
  options.timeout = std::min(time, options.timeout);
  const absl::StatusOr<std::string> body =
      AdminClient(client_->address(), options).Get("/status");
  if (absl::IsDeadlineExceeded(body.status())) return State::kSilent;
  if (!body.ok()) {
    return SaysGone(ErrnoOf(body.status())) ? State::kGone : State::kThere;
  }
  // A new one may have taken the address.
  const absl::StatusOr<StatusReading> status = ParseStatus(*body);
  return !status.ok() || status->pid == pid_ ? State::kThere : State::kGone;
}

}  // namespace weir
