// Public. One endpoint of a session as a pump sees it: a socket, what is known
// of its readiness, and the first fatal error that it met.

#ifndef PROXY_RELAY_TRANSPORT_H_
#define PROXY_RELAY_TRANSPORT_H_

#include <cstddef>
#include <cstdint>

#include "proxy/relay/pipe_pool.h"
#include "reactor/fd.h"
#include "reactor/kernel.h"
#include "reactor/poller.h"
#include "reactor/reactor.h"

namespace weir {

class Transport;

// Whom a transport tells that the loop saw something: not of a room to write
// that is known already, as registering reports it. Loop thread.
class TransportObserver {
 public:
  virtual void OnTransportReady(Transport* transport) noexcept = 0;

 protected:
  ~TransportObserver() = default;
};

// Loop thread only. Readiness is remembered here and armed only when it is
// needed (the rules: Poller, FdKind). Hints (`eof`, `ended`, `urgent`) are
// never verdicts: the next read or write says what happened.
class Transport final : public EventHandler {
 public:
  // The outcome of a read or write.
  enum class Io : uint8_t {
    kMoved,    // `bytes` were moved
    kEnd,      // read only: the peer's FIN, or (error() != 0) its reset
    kBlocked,  // not now; the poller will say when
    kStarved,  // the kernel ran short of memory; try again in a while
    kFailed,   // error() says why
    kUnsure,   // splice only: what is there, only a Read() can tell
    kRefused,  // splice only: the kernel cannot, here; nothing moved
  };
  struct IoResult {
    Io io;
    size_t bytes = 0;
  };

  explicit Transport(TransportObserver* observer) : observer_(observer) {}

  // What is known of a socket that is taken up. A readiness that is not assumed
  // costs nothing: registering reports what holds already. One that is assumed
  // wrongly costs a call that returns EAGAIN.
  enum class Assume : uint8_t {
    kConnecting,  // neither readable nor writable yet
    kConnected,   // writable
    kInUse,       // both: events of the past do not come again
  };

  // Takes `fd`, not yet registered.
  void Open(UniqueFd fd, FdKind kind, Assume assume);
  // For a new TCP socket: turns Nagle's algorithm off (TCP_NODELAY) no sooner
  // than its second send. Linux never holds a first one back (it waits only
  // while a small segment is under way), and many connections send just once.
  void PutOffNoDelay() { no_delay_put_off_ = true; }
  // Tells the loop of it. Returns 0 or an errno.
  [[nodiscard]] int Register(Reactor* reactor);
  // Ends registration and socket. `reset`: the peer sees RST and unsent bytes
  // are lost (AF_UNIX has no reset); else FIN behind what is queued.
  void Close(Reactor* reactor, bool reset);
  // Ends the registration; `done` gets the descriptor when the kernel has let
  // go of it.
  void Detach(Reactor* reactor, absl::AnyInvocable<void(UniqueFd) &&> done);

  // recv(2). With `peek` nothing is consumed.
  IoResult Read(Kernel& kernel, char* data, size_t size, bool peek = false);
  // send(2), until all is taken or the kernel takes no more.
  IoResult Write(Kernel& kernel, const char* data, size_t size);
  // splice(2) into a pipe that is empty, at most `size` bytes. Never kEnd nor
  // kFailed: where an urgent mark lies behind the last byte, splice says that
  // the stream ends (or fails) although bytes follow. Then it is kUnsure.
  IoResult ReadInto(Kernel& kernel, PipePool& pool, Pipe* pipe, size_t size);
  // As Write(), but splice(2) of all that is in a pipe.
  IoResult WriteFrom(Kernel& kernel, PipePool& pool, Pipe* pipe);
  // FIN behind what was written. A failure is stored.
  void ShutdownWrite(Kernel& kernel);
  // For `ended` while nothing can be read here: stores the socket's error. Asks
  // once an `ended`.
  void TakeError(Kernel& kernel);
  // Bytes that the peer has not acknowledged (TCP) or read (AF_UNIX); 0 when
  // unknown.
  int64_t SendQueue(Kernel& kernel) const;

  // Asks for `interest` unless it is armed already.
  void Arm(Reactor* reactor, Interest interest);

  // A connection in progress was established.
  void SetConnected() { writable_ = true; }
  // A hint was wrong: it is still in progress.
  void SetConnecting() { readable_ = writable_ = ended_ = false; }

  bool open() const { return fd_.valid(); }
  int fd() const { return fd_.get(); }
  FdKind kind() const { return kind_; }
  bool readable() const { return readable_; }
  bool writable() const { return writable_; }
  bool ended() const { return ended_; }
  // The first fatal errno, 0 if none. A read of 0 with it set is a reset, never
  // an end: a send that failed takes the socket's own error away.
  int error() const { return error_; }
  void set_error(int error) {
    if (error_ == 0) error_ = error;
  }
  // The next socket that is opened here starts anew.
  void ClearError() { error_ = 0; }

  void OnReady(Ready ready) noexcept override;

 private:
  // An errno of recv or send.
  IoResult Failed(int error);
  IoResult SpliceFailed(int error);
  // Before each send, for PutOffNoDelay().
  void BeforeSend(Kernel& kernel) {
    if (no_delay_put_off_) TakeUpNoDelay(kernel);
  }
  void TakeUpNoDelay(Kernel& kernel);
  // A read that returned less than it asked for.
  void Short();

  TransportObserver* const observer_;
  UniqueFd fd_;
  Handle handle_ = Handle::kNone;
  int error_ = 0;
  FdKind kind_ = FdKind::kTcp;
  Interest armed_ = 0;
  bool readable_ : 1 = false;
  bool writable_ : 1 = false;
  bool eof_ : 1 = false;
  bool ended_ : 1 = false;
  bool ended_checked_ : 1 = false;
  bool urgent_ : 1 = false;
  bool unproven_ : 1 = false;  // no byte came since an event said readable
  bool no_delay_put_off_ : 1 = false;
  bool sent_ : 1 = false;  // for the one before; not kept otherwise
};

}  // namespace weir

#endif  // PROXY_RELAY_TRANSPORT_H_
