#include "proxy/client/sampler.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace weir {

absl::StatusOr<Overview> Sampler::Take() {
  const absl::StatusOr<std::string> body = client_->Get("/status");
  if (!body.ok()) return body.status();
  absl::StatusOr<StatusReading> status = ParseStatus(*body);
  if (!status.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat(client_->address().ToString(),
                     ": GET /status: ", status.status().message()));
  }
  // Stalls are a detail of the picture: without them, the rest still counts.
  const absl::StatusOr<std::string> details = client_->Get("/debug/reactors");
  absl::StatusOr<std::vector<ReactorReading>> reactors =
      details.ok() ? ParseReactors(*details) : details.status();
  Overview overview =
      MakeOverview(before_, *status,
                   reactors.ok() ? *reactors : std::vector<ReactorReading>());
  before_ = *std::move(status);
  return overview;
}

bool WaitFor(Duration time, int fd) {
  const MonoTime end = Clock::Real().Now() + time;
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - Clock::Real().Now());
    if (left.count() <= 0) return false;
    pollfd look = {fd, POLLIN, 0};
    // (A signal that is caught ends it early: then once more.)
    if (poll(&look, 1, static_cast<int>(left.count())) > 0) return true;
  }
}

}  // namespace weir
