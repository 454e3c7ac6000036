#include "tests/support/test_peer.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace weir {

size_t TestPeer::Send(std::string_view data) {
  size_t sent = 0;
  while (sent < data.size()) {
    const ssize_t n = ::send(fd(), data.data() + sent, data.size() - sent,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
      if (errno != EAGAIN) send_error_ = errno;
      break;
    }
    sent += static_cast<size_t>(n);
  }
  return sent;
}

void TestPeer::SendUrgent(char byte) {
  if (::send(fd(), &byte, 1, MSG_OOB | MSG_NOSIGNAL) != 1) send_error_ = errno;
}

void TestPeer::Shutdown() { ::shutdown(fd(), SHUT_WR); }

void TestPeer::Reset() {
  const linger now = {1, 0};
  ::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  fd_.Reset();
}

void TestPeer::Read(size_t limit) {
  std::array<char, 16384> data;
  while (end_ == kOpen && limit > 0) {
    const ssize_t n =
        ::recv(fd(), data.data(), std::min(data.size(), limit), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      end_ = n == 0 ? 0 : errno;
      return;
    }
    received_.append(data.data(), static_cast<size_t>(n));
    limit -= static_cast<size_t>(n);
  }
}

int TestPeer::unacknowledged() const {
  int bytes = 0;
  ::ioctl(fd(), SIOCOUTQ, &bytes);
  return bytes;
}

int TestPeer::unread() const {
  int bytes = 0;
  ::ioctl(fd(), FIONREAD, &bytes);
  return bytes;
}

void TestPeer::SetReceiveBuffer(int bytes) {
  ::setsockopt(fd(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

void TestPeer::SetSendBuffer(int bytes) {
  ::setsockopt(fd(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

void TestPeer::SetNoDelay() {
  const int on = 1;
  ::setsockopt(fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

std::string Pattern(size_t size, uint32_t seed) {
  std::string text(size, '\0');
  uint64_t state = seed;
  // SplitMix64. A word at a time, for tests make megabytes.
  for (size_t at = 0; at < size; at += sizeof(state)) {
    state += 0x9e3779b97f4a7c15;
    uint64_t word = state;
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9;
    word = (word ^ (word >> 27)) * 0x94d049bb133111eb;
    word ^= word >> 31;
    std::memcpy(&text[at], &word, std::min(sizeof(word), size - at));
  }
  return text;
}

}  // namespace weir
