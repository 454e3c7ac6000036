// Public. The interface between a loop and the kernel's readiness calls. Four
// implementations lie in pollers/; one contract test runs on all of them.

#ifndef REACTOR_POLLER_H_
#define REACTOR_POLLER_H_

#include <climits>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "reactor/clock.h"

namespace weir {

// What a caller waits for. A set of bits.
using Interest = uint8_t;
inline constexpr Interest kRead = 1;   // data, a FIN or urgent bytes
inline constexpr Interest kWrite = 2;  // room in the send queue, connect ended
// An error or full hang-up while neither of the above is wanted; a FIN alone is
// neither. On epoll it costs nothing; select cannot report it.
inline constexpr Interest kHangup = 4;

// What an event says. A set of bits. All are hints: the next read or write says
// what happened.
using Ready = uint8_t;
inline constexpr Ready kReadable = 1;
inline constexpr Ready kWritable = 2;
inline constexpr Ready kEof = 4;  // RDHUP: the peer sent FIN
// ERR or HUP. It fires every armed direction, whether or not kReadable and
// kWritable come with it. Never on select, which reports both of those instead.
inline constexpr Ready kEnded = 8;
// PRI: an urgent mark is in the stream. It fires kRead and may come alone. Set
// SO_OOBINLINE, else the urgent byte is never read and fires kRead for ever.
// Never on io_uring, whose wake-ups say PRI for ordinary data too: there the
// mark is kReadable, and as arming looks at the level nothing behind it is
// missed.
inline constexpr Ready kUrgent = 16;
// The descriptor that Forget() left pending is out of the kernel's hands. No
// other bit comes with it, and no further event for its token.
inline constexpr Ready kForgotten = 32;

// How a descriptor behaves in the poller.
enum class FdKind : uint8_t {
  // A connected or connecting TCP socket. Directions are armed one by one; an
  // event disarms the direction that it fires, errors and hang-ups fire every
  // armed one. A descriptor with nothing armed reports nothing, for ever,
  // except that an edge-triggered poller may report an edge (once each) that
  // nobody armed: it is a spurious event.
  kTcp,
  // The same for AF_UNIX streams (epoll registers OUT only while it is armed,
  // for a peer that reads would wake us each time).
  kUnix,
  // A listener, eventfd, signalfd or resolver socket: level-triggered. Arm()
  // sets (replaces) the interest, events do not disarm it.
  kLevel,
  // kLevel for a listener that several pollers of this process wait on: where
  // the poller can (epoll: EPOLLEXCLUSIVE), one connection wakes few of them.
  // Only kRead may be armed, once, and right after Add(), which already makes
  // this poller one of those that a connection wakes.
  kSharedListener,
};

struct PollEvent {
  uint64_t token;
  Ready ready;
};

// How Forget() may treat the kernel's registration.
enum class Forgetting : uint8_t {
  // The caller closes the descriptor next and nobody else holds its
  // description: pollers that lose it with the close (epoll) make no call.
  kClosing,
  // The descriptor lives on (pause, detach, a shared description).
  kKeeping,
};

// One loop's view of the kernel. Every method but Wake() belongs to the loop
// thread, which is the thread of the first Wait() for life; until then any one
// thread may build the poller, add and arm (io_uring is created disabled and
// enabled by the first Wait(), so that the kernel's single-issuer mode fits).
class Poller {
 public:
  virtual ~Poller() = default;

  // "epoll", "poll", "select" or "io_uring".
  virtual std::string_view name() const = 0;

  // The first descriptor number that cannot be added (select: FD_SETSIZE).
  virtual int fd_limit() const { return INT_MAX; }

  // Makes `fd` known under `token`, with nothing armed. Returns 0 or an errno
  // (EMFILE: at or beyond fd_limit(); ENOSPC, ENOMEM: the kernel's). `fd` must
  // not be known already; while a Forget() is pending it still is.
  [[nodiscard]] virtual int Add(int fd, uint64_t token, FdKind kind) = 0;

  // kTcp, kUnix: adds `interest` to what is armed. kLevel: replaces it. A
  // readiness that holds already is reported by the next Wait(), unless an
  // event since Add() told of it and no read (write) has met EAGAIN since:
  // epoll tells an edge once, and whoever left bytes behind remembers them.
  // `fd` must be known. An errno of the kernel (ENOMEM, on io_uring alone) is
  // reported as kEnded by the next Wait().
  virtual void Arm(int fd, Interest interest) = 0;

  // Ends the registration; required before every close. Returns true when that
  // is done at once; false when an event kForgotten for the token follows, and
  // only then may the descriptor be closed. No other event for the token comes
  // from later Wait() calls either way.
  [[nodiscard]] virtual bool Forget(int fd, Forgetting how) = 0;

  // Appends what is ready to `*events` (at most kMaxEvents), waiting at most
  // `timeout`: zero returns at once, kForever waits without end; anything
  // between is rounded up, never down. Returns early for Wake(), and now and
  // then with nothing: for a signal (EINTR), or an event that concerned nobody.
  virtual void Wait(Duration timeout, std::vector<PollEvent>* events) = 0;

  // Any thread. Makes the Wait() that runs now, or else the next one, return.
  virtual void Wake() = 0;

  // The batch that one Wait() may return: bounds the work of a round, so that
  // timers and tasks are never more than this many small callbacks away.
  static constexpr int kMaxEvents = 256;
};

enum class PollerKind : uint8_t { kEpoll, kPoll, kSelect, kIoUring };

inline constexpr PollerKind kAllPollers[] = {
    PollerKind::kEpoll, PollerKind::kPoll, PollerKind::kSelect,
    PollerKind::kIoUring};

std::string_view PollerName(PollerKind kind);

// Parses a poller's name. InvalidArgument lists the known ones.
absl::StatusOr<PollerKind> ParsePollerKind(std::string_view name);

// Any thread. Unavailable, with the kernel's reason, where the kernel lacks or
// forbids this poller (io_uring under seccomp, in containers).
absl::StatusOr<std::unique_ptr<Poller>> MakePoller(PollerKind kind);

// As MakePoller, but falls back to epoll where io_uring is unavailable, and
// then sets `*warning` to one line that says so and why. Fails where epoll
// does, and select where its own descriptor would lie beyond its limit.
absl::StatusOr<std::unique_ptr<Poller>> MakePollerOrEpoll(PollerKind kind,
                                                          std::string* warning);

}  // namespace weir

#endif  // REACTOR_POLLER_H_
