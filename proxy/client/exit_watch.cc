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

}  // namespace

ExitWatch::ExitWatch(const AdminClient* client, int64_t pid,
                     const std::string& run_directory)
    : client_(client), pid_(pid) {
  const absl::StatusOr<std::vector<Instance>> live =
      LiveInstances(run_directory);
  if (!live.ok()) return;
  for (const Instance& instance : *live) {
    if (instance.pid != pid) continue;
    process_ = UniqueFd(
        static_cast<int>(syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0)));
  }
}

bool ExitWatch::Wait(Duration time) {
  if (process_) return WaitFor(time, process_.get());
  const MonoTime end = Clock::Real().Now() + time;
  while (Answers()) {
    const Duration left = end - Clock::Real().Now();
    if (left <= Duration::zero()) return false;
    WaitFor(std::min(left, kBetweenLooks));
  }
  return true;
}

bool ExitWatch::Answers() const {
  const absl::StatusOr<std::string> body = client_->Get("/status");
  if (!body.ok()) {
    const int error = ErrnoOf(body.status());
    return error != ECONNREFUSED && error != ENOENT;
  }
  // A new one may have taken the address.
  const absl::StatusOr<StatusReading> status = ParseStatus(*body);
  return !status.ok() || status->pid == pid_;
}

}  // namespace weir
