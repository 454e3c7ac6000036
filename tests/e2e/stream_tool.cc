// One end of a long TCP stream, for streams that a script would need minutes
// for. Prints a checksum of the bytes that it sent or received and their count.
//
//   stream_tool listen  send|receive BYTES    first prints "port N"
//   stream_tool connect send|receive BYTES PORT
//
// A sender ends with FIN and waits for the peer's; a receiver reads to the end
// of the stream, so BYTES says nothing to it.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace {

// Both ends hash whole blocks, so chunking on the way does not matter.
constexpr size_t kBlockBytes = size_t{1} << 18;

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

// A 64-bit hash that depends on the position of every word.
class Checksum {
 public:
  // Only the last block may be shorter than kBlockBytes.
  void Add(std::vector<uint64_t>& block, size_t bytes) {
    char* raw = reinterpret_cast<char*>(block.data());
    const size_t words = (bytes + 7) / 8;
    std::memset(raw + bytes, 0, words * 8 - bytes);
    for (size_t i = 0; i < words; ++i) {
      hash_ = std::rotl(hash_ ^ block[i], 23) * 0x9e3779b97f4a7c15u;
    }
    count_ += bytes;
  }

  void Print() const {
    std::printf("%016" PRIx64 " %" PRIu64 "\n", hash_, count_);
  }

 private:
  uint64_t hash_ = 0;
  uint64_t count_ = 0;
};

// Never repeats within a stream (splitmix64).
uint64_t Word(uint64_t i) {
  uint64_t z = i * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

void Send(int fd, uint64_t bytes) {
  std::vector<uint64_t> block(kBlockBytes / 8);
  Checksum checksum;
  uint64_t word = 0;
  while (bytes > 0) {
    for (uint64_t& w : block) w = Word(++word);
    const size_t length = std::min<uint64_t>(bytes, kBlockBytes);
    const char* raw = reinterpret_cast<const char*>(block.data());
    for (size_t sent = 0; sent < length;) {
      const ssize_t n = send(fd, raw + sent, length - sent, MSG_NOSIGNAL);
      if (n < 0) Fail("send");
      sent += static_cast<size_t>(n);
    }
    checksum.Add(block, length);
    bytes -= length;
  }
  if (shutdown(fd, SHUT_WR) != 0) Fail("shutdown");
  char extra;
  if (recv(fd, &extra, 1, 0) != 0) Fail("the end of the stream");
  checksum.Print();
}

void Receive(int fd) {
  std::vector<uint64_t> block(kBlockBytes / 8);
  Checksum checksum;
  size_t filled = 0;
  while (true) {
    char* raw = reinterpret_cast<char*>(block.data());
    const ssize_t n = recv(fd, raw + filled, kBlockBytes - filled, 0);
    if (n < 0) Fail("recv");
    filled += static_cast<size_t>(n);
    if (n == 0 || filled == kBlockBytes) {
      checksum.Add(block, filled);
      filled = 0;
    }
    if (n == 0) break;
  }
  checksum.Print();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: see the top of stream_tool.cc\n");
    return 2;
  }
  const bool listens = std::string_view(argv[1]) == "listen";
  const bool sends = std::string_view(argv[2]) == "send";
  const uint64_t bytes = std::strtoull(argv[3], nullptr, 10);

  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) Fail("socket");
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (listens) {
    socklen_t length = sizeof(address);
    if (bind(fd, generic, length) != 0) Fail("bind");
    if (listen(fd, 1) != 0) Fail("listen");
    if (getsockname(fd, generic, &length) != 0) Fail("getsockname");
    std::printf("port %d\n", ntohs(address.sin_port));
    std::fflush(stdout);
    const int accepted = accept4(fd, nullptr, nullptr, SOCK_CLOEXEC);
    if (accepted < 0) Fail("accept");
    close(fd);
    fd = accepted;
  } else {
    address.sin_port =
        htons(static_cast<uint16_t>(argc > 4 ? std::atoi(argv[4]) : 0));
    if (connect(fd, generic, sizeof(address)) != 0) Fail("connect");
  }
  if (sends) {
    Send(fd, bytes);
  } else {
    Receive(fd);
  }
  close(fd);
  return 0;
}
