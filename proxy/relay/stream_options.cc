#include "proxy/relay/stream_options.h"

#include <chrono>
#include <cstdint>
#include <fstream>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proxy/config/units.h"
#include "reactor/clock.h"
#include "reactor/errno_status.h"
#include "reactor/socket.h"

namespace weir {
namespace {

// Connections of one listener whose SYN brought bytes and whose handshake is
// not over: beyond, the kernel takes the bytes after the handshake.
constexpr int kFastOpenQueue = 256;
// Of net.ipv4.tcp_fastopen: listeners may take bytes of a SYN.
constexpr int kFastOpenServer = 2;

int ApplyKeepAlive(Kernel& kernel, int fd, const ForwardSpec& forward) {
  return SetKeepAlive(
      kernel, fd, std::chrono::ceil<std::chrono::seconds>(forward.keepalive));
}

int ApplyUserTimeout(Kernel& kernel, int fd, const ForwardSpec& forward) {
  return SetUserTimeout(
      kernel, fd,
      std::chrono::ceil<std::chrono::milliseconds>(forward.user_timeout));
}

// One of the two buffers of a socket.
struct Buffer {
  std::string_view key;
  std::string_view limit;  // the sysctl that cuts it
  int64_t ForwardSpec::*field;
  int (*set)(Kernel& kernel, int fd, int bytes);
  int (*get)(Kernel& kernel, int fd);
  bool unix_obeys;
};

// The sender's size is what counts on AF_UNIX (unix(7)).
constexpr Buffer kBuffers[] = {
    {"rcvbuf", "net.core.rmem_max", &ForwardSpec::receive_buffer,
     SetReceiveBuffer, GetReceiveBuffer, false},
    {"sndbuf", "net.core.wmem_max", &ForwardSpec::send_buffer, SetSendBuffer,
     GetSendBuffer, true},
};

// Sets the options of a listener and keeps what there is to say.
class ListenerSetup {
 public:
  ListenerSetup(Kernel& kernel, int fd, const ForwardSpec& forward)
      : kernel_(kernel), fd_(fd), forward_(forward) {}

  void SetTcp() {
    if (const int error = SetOobInline(kernel_, fd_); error != 0) {
      Say(absl::StrCat("SO_OOBINLINE: ", ErrnoText(error),
                       "; urgent bytes are lost from the stream"));
    }
    if (forward_.no_delay) Take("nodelay", SetNoDelay(kernel_, fd_, true));
    if (forward_.keepalive != kForever) {
      Take("keepalive", ApplyKeepAlive(kernel_, fd_, forward_));
    }
    if (forward_.user_timeout != kForever) {
      Take("user-timeout", ApplyUserTimeout(kernel_, fd_, forward_));
    }
    if (forward_.defer != kForever) {
      Take("defer", SetDeferAccept(kernel_, fd_,
                                   std::chrono::ceil<std::chrono::seconds>(
                                       forward_.defer)));
    }
    if (forward_.fast_open) {
      const int error = SetFastOpen(kernel_, fd_, kFastOpenQueue);
      Take("fastopen", error);
      if (error == 0) LookAtFastOpen();
    }
  }

  // A unix listener too, which hands nothing on: it shows what the kernel gives
  // to the sockets that connect.
  void SetBuffers() {
    for (const Buffer& buffer : kBuffers) {
      const auto bytes = static_cast<int>(forward_.*buffer.field);
      if (bytes == 0) continue;
      const int error = buffer.set(kernel_, fd_, bytes);
      Take(buffer.key, error, "0");
      const int given = buffer.get(kernel_, fd_);
      if (error != 0 || given == 0 || given >= bytes) continue;
      Say(absl::StrCat("+", std::string(buffer.key), ":", FormatSize(bytes),
                       ": the kernel gives ", FormatSize(given), "; sysctl -w ",
                       std::string(buffer.limit), "=", bytes, " allows it"));
    }
  }

  std::vector<std::string> TakeLines() { return std::move(lines_); }

 private:
  void Say(const std::string& line) {
    lines_.push_back(absl::StrCat(forward_.name, ": ", line));
  }

  // `error`: what setting the option of `key` returned.
  void Take(std::string_view key, int error, const char* none = "off") {
    if (error == 0) return;
    const std::string name(key);
    Say(absl::StrCat("+", name, " is refused by the kernel: ", ErrnoText(error),
                     "; it runs without (+", name, ":", none,
                     " if that is meant)"));
  }

  // setsockopt() says nothing of a machine that has it switched off.
  void LookAtFastOpen() {
    int value = 0;
    std::ifstream file("/proc/sys/net/ipv4/tcp_fastopen");
    if (!(file >> value) || (value & kFastOpenServer) != 0) return;
    Say(
        absl::StrCat("+fastopen waits for the machine to allow it: sysctl -w "
                     "net.ipv4.tcp_fastopen=",
                     value | kFastOpenServer, " (it is ", value, ")"));
  }

  Kernel& kernel_;
  const int fd_;
  const ForwardSpec& forward_;
  std::vector<std::string> lines_;
};

}  // namespace

std::vector<std::string> SetListenerOptions(Kernel& kernel, int fd, bool tcp,
                                            const ForwardSpec& forward) {
  ListenerSetup setup(kernel, fd, forward);
  if (tcp) setup.SetTcp();
  setup.SetBuffers();
  return setup.TakeLines();
}

void SetKeyedOptions(Kernel& kernel, int fd, bool tcp,
                     const ForwardSpec& forward) {
  if (tcp && forward.user_timeout != kForever) {
    (void)ApplyUserTimeout(kernel, fd, forward);
  }
  for (const Buffer& buffer : kBuffers) {
    const auto bytes = static_cast<int>(forward.*buffer.field);
    if (bytes != 0 && (tcp || buffer.unix_obeys)) {
      (void)buffer.set(kernel, fd, bytes);
    }
  }
}

void SetKeepAliveOptions(Kernel& kernel, int fd, const ForwardSpec& forward) {
  if (forward.keepalive != kForever) {
    (void)ApplyKeepAlive(kernel, fd, forward);
  }
}

}  // namespace weir
