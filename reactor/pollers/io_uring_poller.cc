#include "reactor/pollers/io_uring_poller.h"

#include <errno.h>
#include <poll.h>

#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "reactor/pollers/poll_bits.h"

namespace weir {
namespace {

// Requests between two submissions; a round that has more submits early.
constexpr unsigned kRequests = 512;
// Completions that fit into the shared ring. More wait in the kernel.
constexpr unsigned kCompletions = 8192;

constexpr unsigned kFeatures =
    IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP | IORING_FEAT_CQE_SKIP;

// user_data: the generation, the descriptor (30 bits), the direction (2 bits).
constexpr Interest kDirections[] = {kRead, kWrite, kHangup};
constexpr uint64_t kNoDirection = 3;
constexpr uint64_t kWakeData = 0 << 2 | kNoDirection;
constexpr uint64_t kRemovalData = 1 << 2 | kNoDirection;

uint64_t DataOf(int fd, uint32_t generation, Interest direction) {
  return uint64_t{generation} << 32 | static_cast<uint64_t>(fd) << 2 |
         direction >> 1;
}

Interest DirectionOf(uint64_t data) {
  return static_cast<Interest>(1u << (data & 3));
}

int FdOf(uint64_t data) {
  return static_cast<int>(static_cast<uint32_t>(data) >> 2);
}

uint32_t GenerationOf(uint64_t data) {
  return static_cast<uint32_t>(data >> 32);
}

// Without PRI: a request that waits completes with what the socket's wake-up
// says, which for ordinary data is IN|PRI (sock_def_readable()). Taken for an
// urgent mark it would cost a call each message. With SO_OOBINLINE the mark is
// IN as well, and arming looks at the level, so nothing is missed.
uint32_t RequestBits(Interest direction) {
  return PollBits(direction) & ~uint32_t{POLLPRI};
}

// Which result of a poll concerns its direction. Another one is a mere RDHUP.
uint32_t Concerning(Interest direction) {
  return RequestBits(direction) | POLLERR | POLLHUP;
}

absl::Status Unavailable(absl::string_view call, int error) {
  return absl::UnavailableError(
      absl::StrCat(call, ": ", std::generic_category().message(error)));
}

bool IsForbidden(int result) {
  return result == -EPERM || result == -ENOSYS || result == -EACCES;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Poller>> IoUringPoller::Create() {
  std::unique_ptr<IoUringPoller> poller(new IoUringPoller);
  if (absl::Status status = poller->SetUp(); !status.ok()) return status;
  return std::unique_ptr<Poller>(std::move(poller));
}

absl::Status IoUringPoller::SetUp() {
  if (wake_.error() != 0) return absl::ErrnoToStatus(wake_.error(), "eventfd");
  io_uring_params params = {};
  // One thread submits, and completions are worked out when it waits, not in
  // the middle of its callbacks: Linux 6.1. Disabled, for the first call
  // decides which thread that is.
  params.flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER |
                 IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED;
  params.cq_entries = kCompletions;
  int result = io_uring_queue_init_params(kRequests, &ring_, &params);
  if (result == -EINVAL) {
    params = {};
    params.flags = IORING_SETUP_CQSIZE;
    params.cq_entries = kCompletions;
    result = io_uring_queue_init_params(kRequests, &ring_, &params);
    is_enabled_ = true;
  }
  if (result < 0) return Unavailable("io_uring_setup", -result);
  is_set_up_ = true;
  if ((params.features & kFeatures) != kFeatures) {
    return absl::UnavailableError("the kernel is older than 5.17");
  }
  // A filter may let the set-up pass and forbid the rest; that must be known
  // now, not in the loop. Both calls do nothing: the first finds nothing to
  // submit or a disabled ring, the second no buffer.
  result =
      io_uring_enter(static_cast<unsigned>(ring_.ring_fd), 0, 0, 0, nullptr);
  if (IsForbidden(result)) return Unavailable("io_uring_enter", -result);
  result = io_uring_register(static_cast<unsigned>(ring_.ring_fd),
                             IORING_REGISTER_PROBE, nullptr, 0);
  if (IsForbidden(result)) return Unavailable("io_uring_register", -result);
  return absl::OkStatus();
}

IoUringPoller::~IoUringPoller() {
  if (is_set_up_) io_uring_queue_exit(&ring_);
}

IoUringPoller::Entry& IoUringPoller::Known(int fd) {
  CHECK(fd >= 0 && static_cast<size_t>(fd) < entries_.size());
  Entry& entry = entries_[static_cast<size_t>(fd)];
  CHECK(entry.known && !entry.leaving)
      << "descriptor " << fd << " is not known";
  return entry;
}

void IoUringPoller::MarkDirty(int fd, Entry* entry) {
  if (entry->dirty) return;
  entry->dirty = true;
  dirty_.push_back(fd);
}

int IoUringPoller::Add(int fd, uint64_t token, FdKind kind) {
  CHECK_GE(fd, 0);
  const size_t index = static_cast<size_t>(fd);
  if (index >= entries_.size()) entries_.resize(index + 1);
  Entry& entry = entries_[index];
  CHECK(!entry.known) << "descriptor " << fd << " added twice";
  entry.token = token;
  entry.generation = ++generation_;
  entry.kind = kind;
  entry.known = true;
  return 0;
}

void IoUringPoller::Arm(int fd, Interest interest) {
  Entry& entry = Known(fd);
  const Interest armed = ArmedWith(entry.kind, entry.armed, interest);
  if (armed == entry.armed) return;
  entry.armed = armed;
  MarkDirty(fd, &entry);
}

bool IoUringPoller::Forget(int fd, Forgetting) {
  Entry& entry = Known(fd);
  if (entry.in_flight != 0) {
    entry.leaving = true;
    MarkDirty(fd, &entry);
    return false;
  }
  const bool dirty = entry.dirty;
  entry = Entry();
  entry.dirty = dirty;
  return true;
}

io_uring_sqe* IoUringPoller::NextRequest() {
  if (io_uring_sqe* request = io_uring_get_sqe(&ring_)) return request;
  const int result = io_uring_submit(&ring_);
  CHECK(result >= 0 || result == -EAGAIN || result == -EBUSY ||
        result == -EINTR || result == -ENOMEM)
      << "io_uring_enter: " << std::generic_category().message(-result);
  return io_uring_get_sqe(&ring_);
}

bool IoUringPoller::Prepare(int fd) {
  Entry& entry = entries_[static_cast<size_t>(fd)];
  uint32_t wanted = entry.leaving ? 0 : entry.armed;
  // The request of a direction reports errors and hang-ups as well.
  if (((wanted | entry.in_flight) & (kRead | kWrite)) != 0) wanted &= ~kHangup;
  // A request that fires once may stay: it ends soon or serves the next Arm().
  const uint32_t removable = entry.leaving ? ~0u : entry.multishot;
  const uint32_t kept = wanted & ~uint32_t{entry.spent};
  for (const Interest direction : kDirections) {
    const uint64_t data = DataOf(fd, entry.generation, direction);
    if ((entry.in_flight & direction) == 0) {
      if ((wanted & direction) == 0) continue;
      io_uring_sqe* request = NextRequest();
      if (request == nullptr) return false;
      // Behind a FIN, a plain poll for room or for the end fires at once and
      // for ever with RDHUP alone. A multishot one tells it once and stays.
      if (entry.eof && direction != kRead) {
        io_uring_prep_poll_multishot(request, fd, RequestBits(direction));
        entry.multishot |= direction;
      } else {
        io_uring_prep_poll_add(request, fd, RequestBits(direction));
        entry.multishot &= static_cast<Interest>(~direction);
      }
      io_uring_sqe_set_data64(request, data);
      entry.in_flight |= direction;
    } else if ((kept & direction) == 0 && (removable & direction) != 0 &&
               (entry.removing & direction) == 0) {
      io_uring_sqe* request = NextRequest();
      if (request == nullptr) return false;
      // The poll itself completes in any case; a removal that found it complete
      // says so, which means nothing. Not POLL_REMOVE: that one fails with
      // EALREADY when an event is on its way, and a multishot poll then stays.
      io_uring_prep_cancel64(request, data, 0);
      io_uring_sqe_set_data64(request, kRemovalData);
      request->flags |= IOSQE_CQE_SKIP_SUCCESS;
      entry.removing |= direction;
    }
  }
  return true;
}

bool IoUringPoller::PrepareAll() {
  if (!wake_in_flight_) {
    io_uring_sqe* request = NextRequest();
    if (request == nullptr) return false;
    // Each write is an edge; nobody reads.
    io_uring_prep_poll_multishot(request, wake_.fd(), POLLIN);
    io_uring_sqe_set_data64(request, kWakeData);
    wake_in_flight_ = true;
  }
  while (!dirty_.empty()) {
    const int fd = dirty_.back();
    if (!Prepare(fd)) return false;
    entries_[static_cast<size_t>(fd)].dirty = false;
    dirty_.pop_back();
  }
  return true;
}

void IoUringPoller::Enter(Duration timeout) {
  int result = 0;
  if (timeout <= Duration::zero() || io_uring_cq_ready(&ring_) > 0) {
    result = io_uring_submit_and_get_events(&ring_);
  } else {
    const Timeout wait(timeout);
    __kernel_timespec time = {};
    __kernel_timespec* limit = nullptr;
    if (const timespec* finite = wait.get(); finite != nullptr) {
      time.tv_sec = finite->tv_sec;
      time.tv_nsec = finite->tv_nsec;
      limit = &time;
    }
    io_uring_cqe* first = nullptr;
    result =
        io_uring_submit_and_wait_timeout(&ring_, &first, 1, limit, nullptr);
  }
  // What was not submitted is tried again by the next call. EEXIST: Wait() was
  // called on another thread. EBADR: completions were lost, and with them the
  // descriptors that wait for them.
  CHECK(result >= 0 || result == -ETIME || result == -EINTR ||
        result == -EAGAIN || result == -EBUSY || result == -ENOMEM)
      << "io_uring_enter: " << std::generic_category().message(-result);
}

void IoUringPoller::Complete(const io_uring_cqe& cqe,
                             std::vector<PollEvent>* events) {
  const uint64_t data = cqe.user_data;
  const bool last = (cqe.flags & IORING_CQE_F_MORE) == 0;
  if (data == kWakeData) {
    wake_.Seen();
    wake_in_flight_ = !last;
    return;
  }
  if (data == kRemovalData) return;
  const int fd = FdOf(data);
  const Interest direction = DirectionOf(data);
  Entry& entry = entries_[static_cast<size_t>(fd)];
  if (!entry.known || entry.generation != GenerationOf(data)) return;
  const Interest others = static_cast<Interest>(~direction);
  if (last) {
    entry.in_flight &= others;
    entry.removing &= others;
    entry.spent &= others;
  }
  if (entry.leaving) {
    if (entry.in_flight != 0) return;
    events->push_back({entry.token, kForgotten});
    const bool dirty = entry.dirty;
    entry = Entry();
    entry.dirty = dirty;
    return;
  }
  Ready ready = 0;
  if (cqe.res >= 0) {
    const uint32_t bits = static_cast<uint32_t>(cqe.res);
    if ((bits & POLLRDHUP) != 0) entry.eof = true;
    if ((bits & Concerning(direction)) != 0) ready = ReadyFromPoll(bits);
  } else if (cqe.res != -ECANCELED) {
    ready = kEnded;
  }
  if (ready != 0 && (entry.armed & direction) != 0) {
    events->push_back({entry.token, ready});
    if (!IsLevel(entry.kind)) {
      entry.armed &= others;
    } else if (!last) {
      entry.spent |= direction;
    }
  }
  if (entry.armed != 0 || entry.in_flight != 0) MarkDirty(fd, &entry);
}

void IoUringPoller::Wait(Duration timeout, std::vector<PollEvent>* events) {
  if (!is_enabled_) {
    const int result =
        io_uring_register(static_cast<unsigned>(ring_.ring_fd),
                          IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
    CHECK_EQ(result, 0) << "io_uring_register: "
                        << std::generic_category().message(-result);
    is_enabled_ = true;
  }
  Enter(PrepareAll() ? timeout : Duration::zero());
  const size_t full = events->size() + kMaxEvents;
  io_uring_cqe* cqe = nullptr;
  unsigned head = 0;
  unsigned seen = 0;
  io_uring_for_each_cqe(&ring_, head, cqe) {
    if (events->size() == full) break;
    ++seen;
    Complete(*cqe, events);
  }
  io_uring_cq_advance(&ring_, seen);
}

}  // namespace weir
