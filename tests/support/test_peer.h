// One end of a connection, in the hands of a test.

#ifndef TESTS_SUPPORT_TEST_PEER_H_
#define TESTS_SUPPORT_TEST_PEER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "reactor/fd.h"

namespace weir {

// A connected, non-blocking stream socket. No call waits: the harness drives
// the proxy between them.
class TestPeer {
 public:
  static constexpr int kOpen = -1;  // end(): the stream goes on

  TestPeer() = default;
  explicit TestPeer(int fd) : fd_(fd) {}

  int fd() const { return fd_.get(); }
  bool open() const { return fd_.valid(); }

  // Sends what the kernel takes; returns how much. An error is kept in
  // send_error().
  size_t Send(std::string_view data);
  // One urgent byte, in the stream.
  void SendUrgent(char byte);
  // FIN.
  void Shutdown();
  // Closes, and the other side sees a reset (on AF_UNIX: an end). What was sent
  // and not acknowledged is destroyed.
  void Reset();
  void Close() { fd_.Reset(); }

  // Reads up to `limit` bytes of what is there.
  void Read(size_t limit = SIZE_MAX);
  const std::string& received() const { return received_; }
  // How the stream ended: 0 for a FIN, an errno, or kOpen. Set by Read().
  int end() const { return end_; }
  int send_error() const { return send_error_; }

  // What the other side's kernel has not acknowledged (AF_UNIX: not read).
  int unacknowledged() const;
  // What lies in our receive queue.
  int unread() const;
  void SetReceiveBuffer(int bytes);
  void SetSendBuffer(int bytes);
  void SetNoDelay();

 private:
  UniqueFd fd_;
  std::string received_;
  int end_ = kOpen;
  int send_error_ = 0;
};

// `size` bytes that repeat nowhere, the same for the same seed.
std::string Pattern(size_t size, uint32_t seed = 1);

}  // namespace weir

#endif  // TESTS_SUPPORT_TEST_PEER_H_
