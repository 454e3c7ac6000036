#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "reactor/poller.h"
#include "reactor/pollers/epoll_poller.h"
#include "reactor/pollers/io_uring_poller.h"
#include "reactor/pollers/poll_poller.h"
#include "reactor/pollers/select_poller.h"

namespace weir {

std::string_view PollerName(PollerKind kind) {
  switch (kind) {
    case PollerKind::kEpoll:
      return "epoll";
    case PollerKind::kPoll:
      return "poll";
    case PollerKind::kSelect:
      return "select";
    case PollerKind::kIoUring:
      return "io_uring";
  }
  LOG(FATAL) << "no such poller";
}

absl::StatusOr<PollerKind> ParsePollerKind(std::string_view name) {
  std::string known;
  for (const PollerKind kind : kAllPollers) {
    if (PollerName(kind) == name) return kind;
    absl::StrAppend(&known, known.empty() ? "" : ", ",
                    std::string(PollerName(kind)));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown poller '", std::string(name), "'; known are ", known));
}

absl::StatusOr<std::unique_ptr<Poller>> MakePoller(PollerKind kind) {
  switch (kind) {
    case PollerKind::kEpoll:
      return EpollPoller::Create();
    case PollerKind::kPoll:
      return PollPoller::Create();
    case PollerKind::kSelect:
      return SelectPoller::Create();
    case PollerKind::kIoUring:
      return IoUringPoller::Create();
  }
  LOG(FATAL) << "no such poller";
}

absl::StatusOr<std::unique_ptr<Poller>> MakePollerOrEpoll(
    PollerKind kind, std::string* warning) {
  absl::StatusOr<std::unique_ptr<Poller>> poller = MakePoller(kind);
  if (!absl::IsUnavailable(poller.status())) return poller;
  *warning =
      absl::StrCat(std::string(PollerName(kind)), " is not available here (",
                   poller.status().message(), "); using epoll");
  return MakePoller(PollerKind::kEpoll);
}

}  // namespace weir
