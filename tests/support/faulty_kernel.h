// A kernel whose calls fail when a test wants it, and which counts them.

#ifndef TESTS_SUPPORT_FAULTY_KERNEL_H_
#define TESTS_SUPPORT_FAULTY_KERNEL_H_

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "reactor/kernel.h"

namespace weir {

// The calls of Kernel.
enum class Call : uint8_t {
  kSocket,
  kBind,
  kListen,
  kAccept,
  kConnect,
  kRecv,
  kSend,
  kShutdown,
  kSetSockOpt,
  kGetSockOpt,
  kGetSockName,
  kGetPeerName,
  kPipe,
  kSetPipeSize,
  kGetPipeSize,
  kReadPipe,
  kSpliceIn,   // the descriptor is the socket's
  kSpliceOut,  // likewise
  kSendQueue,
  kClose,
};

// What goes wrong. The first fault in the order of Inject() that fits a call is
// taken.
struct Fault {
  Call call;
  int error = 0;  // an errno; 0: the call succeeds without reaching the kernel
  int count = 1;  // how often it strikes
  int skip = 0;   // fitting calls that work before
  int every = 1;  // then each n-th
  int fd = -1;    // only on this descriptor
  // The call is made all the same, and what it returned is thrown away: a
  // connect() that a signal interrupts goes on.
  bool made = false;
};

// One thread. Everything that no fault hits goes to the real kernel. A socket
// whose connect() was not made but is said to be in progress takes no bytes
// until it is connected all the same.
class FaultyKernel final : public Kernel {
 public:
  void Inject(const Fault& fault) { faults_.push_back(fault); }
  void Heal();  // forgets faults, noise and limits; keeps the counts

  // Sends take at most `most` bytes a call. A real kernel may do so at any
  // time, and says EAGAIN only when it takes nothing.
  void LimitSends(size_t most) { send_limit_ = most; }
  // Reads of AF_UNIX give at most `most` bytes, as where two senders' ancillary
  // data meet. Never on TCP: there a short read says that the queue is empty.
  void LimitUnixReads(size_t most) { unix_read_limit_ = most; }
  // From now on, by chance: sends are short, sends and reads fail with ENOBUFS
  // or ENOMEM, accepts with ECONNABORTED, connects are interrupted.
  void MakeNoise(uint64_t seed);

  // TCP_INFO of this descriptor, when it is next asked for, says that this many
  // segments more were sent again. (For loopback loses none.)
  void AddRetransmits(int fd, uint32_t segments) {
    retransmits_[fd] += segments;
  }

  // Runs before a call that reaches the kernel.
  using Hook = std::function<void(Call call, int fd)>;
  void SetHook(Hook hook) { hook_ = std::move(hook); }

  // Calls so far, failed ones too. The fd of socket() is -1, and that of
  // accept() the listener.
  uint64_t calls() const { return total_; }
  uint64_t calls(Call call) const;
  uint64_t calls(Call call, int fd) const;
  // As calls(kGetSockOpt, fd), but only those that asked for SO_ERROR.
  uint64_t error_reads(int fd) const;
  // The descriptor that the last of these returned; -1 before the first.
  int last_accepted() const { return last_accepted_; }
  int last_socket() const { return last_socket_; }
  // How many bytes the last Recv() had room for.
  size_t last_recv_size() const { return last_recv_size_; }

  SysResult Socket(int domain, int type, int protocol) override;
  SysResult Bind(int fd, const sockaddr* address, socklen_t size) override;
  SysResult Listen(int fd, int backlog) override;
  SysResult Accept(int fd, sockaddr* address, socklen_t* size,
                   int flags) override;
  SysResult Connect(int fd, const sockaddr* address, socklen_t size) override;
  SysResult Recv(int fd, void* data, size_t size, int flags) override;
  SysResult Send(int fd, const void* data, size_t size, int flags) override;
  SysResult Shutdown(int fd, int how) override;
  SysResult SetSockOpt(int fd, int level, int name, const void* value,
                       socklen_t size) override;
  SysResult GetSockOpt(int fd, int level, int name, void* value,
                       socklen_t* size) override;
  SysResult GetSockName(int fd, sockaddr* address, socklen_t* size) override;
  SysResult GetPeerName(int fd, sockaddr* address, socklen_t* size) override;
  SysResult Pipe(int ends[2], int flags) override;
  SysResult SetPipeSize(int fd, size_t bytes) override;
  SysResult GetPipeSize(int fd) override;
  SysResult Read(int fd, void* data, size_t size) override;
  SysResult Splice(int from, int to, size_t size) override;
  SysResult SendQueue(int fd) override;
  SysResult Close(int fd) override;

 private:
  static constexpr size_t kCalls = static_cast<size_t>(Call::kClose) + 1;

  // Counts the call and makes it, unless a fault hits it.
  template <typename Function>
  SysResult Do(Call call, int fd, Function real);
  // The fault that hits this call, or null.
  const Fault* Strike(Call call, int fd);
  // What noise does to this call: an errno, or 0.
  int Noise(Call call);
  bool Chance(int percent);

  Kernel& real_ = Kernel::Real();
  std::vector<Fault> faults_;
  Fault noise_{};  // what Strike() returns for noise
  Hook hook_;
  size_t send_limit_ = SIZE_MAX;
  size_t unix_read_limit_ = SIZE_MAX;
  bool noisy_ = false;
  std::mt19937_64 random_;
  uint64_t total_ = 0;
  std::array<uint64_t, kCalls> by_call_{};
  std::map<std::pair<Call, int>, uint64_t> by_fd_;
  std::map<int, uint64_t> error_reads_;
  std::map<int, uint32_t> retransmits_;
  std::set<int> held_;  // a connect() that seems to be in progress
  int last_accepted_ = -1;
  int last_socket_ = -1;
  size_t last_recv_size_ = 0;
};

}  // namespace weir

#endif  // TESTS_SUPPORT_FAULTY_KERNEL_H_
