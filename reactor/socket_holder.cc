#include "reactor/socket_holder.h"

#include <dirent.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "reactor/address.h"

namespace weir {
namespace {

constexpr char kListening[] = "0A";  // TCP_LISTEN in /proc/net/tcp

// The kernel prints the words of an address as they lie in memory.
bool ReadHexAddress(const std::string& text, int family, Address* address) {
  const size_t colon = text.find(':');
  const size_t words = family == AF_INET ? 1 : 4;
  if (colon != words * 8) return false;
  uint32_t host[4] = {};
  for (size_t i = 0; i < words; ++i) {
    if (!absl::SimpleHexAtoi(text.substr(i * 8, 8), &host[i])) return false;
  }
  uint32_t port = 0;
  if (!absl::SimpleHexAtoi(text.substr(colon + 1), &port)) return false;
  if (family == AF_INET) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<uint16_t>(port));
    memcpy(&v4.sin_addr, host, sizeof(v4.sin_addr));
    *address = Address::FromSockaddr(reinterpret_cast<const sockaddr*>(&v4),
                                     sizeof(v4));
  } else {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(static_cast<uint16_t>(port));
    memcpy(&v6.sin6_addr, host, sizeof(v6.sin6_addr));
    *address = Address::FromSockaddr(reinterpret_cast<const sockaddr*>(&v6),
                                     sizeof(v6));
  }
  return true;
}

bool StandsInTheWay(const Address& held, const Address& wanted) {
  if (held.port() != wanted.port()) return false;
  if (held.IsAny() || wanted.IsAny()) return true;
  // /proc knows no zones.
  return held.HostText() ==
         wanted.HostText().substr(0, wanted.HostText().find('%'));
}

// The inodes of the listening sockets in the way, those of the same family
// first: one of the other family is in the way only if it serves both.
std::vector<std::string> ListenersInTheWay(const Address& address) {
  std::vector<std::string> inodes;
  const int other = address.family() == AF_INET ? AF_INET6 : AF_INET;
  for (const int family : {int{address.family()}, other}) {
    std::ifstream table(family == AF_INET ? "/proc/thread-self/net/tcp"
                                          : "/proc/thread-self/net/tcp6");
    std::string line;
    std::getline(table, line);  // the headings
    while (std::getline(table, line)) {
      std::istringstream fields(line);
      std::string number, local, remote, state, queues, timer, retransmits, uid,
          timeout, inode;
      fields >> number >> local >> remote >> state >> queues >> timer >>
          retransmits >> uid >> timeout >> inode;
      Address held;
      if (fields && state == kListening &&
          ReadHexAddress(local, family, &held) &&
          StandsInTheWay(held, address)) {
        inodes.push_back(inode);
      }
    }
  }
  return inodes;
}

struct DirCloser {
  void operator()(DIR* dir) const { closedir(dir); }
};

// The names in a directory that are numbers; none where it cannot be read.
std::vector<int> NumbersIn(const std::string& path) {
  std::vector<int> numbers;
  const std::unique_ptr<DIR, DirCloser> dir(opendir(path.c_str()));
  if (dir == nullptr) return numbers;
  while (const dirent* const entry = readdir(dir.get())) {
    int number = 0;
    if (absl::SimpleAtoi(entry->d_name, &number)) numbers.push_back(number);
  }
  return numbers;
}

// The first process that has a socket of this inode, or 0.
int HolderOf(const std::string& inode) {
  const std::string wanted = absl::StrCat("socket:[", inode, "]");
  for (const int pid : NumbersIn("/proc")) {
    const std::string fds = absl::StrCat("/proc/", pid, "/fd");
    for (const int fd : NumbersIn(fds)) {
      char link[64];
      const ssize_t size =
          readlink(absl::StrCat(fds, "/", fd).c_str(), link, sizeof(link));
      if (size > 0 && wanted == std::string(link, static_cast<size_t>(size))) {
        return pid;
      }
    }
  }
  return 0;
}

}  // namespace

std::string ProcessHint(int pid) {
  if (pid <= 0) return "";
  if (pid == getpid()) return " (held by this process)";
  std::ifstream comm(absl::StrCat("/proc/", pid, "/comm"));
  std::string name;
  std::getline(comm, name);
  // A process names itself as it likes.
  return absl::StrCat(" (held by pid ", pid, name.empty() ? "" : " ",
                      absl::CHexEscape(name), ")");
}

std::string WhoListens(const Address& address) {
  if (!address.is_ip()) return "";
  for (const std::string& inode : ListenersInTheWay(address)) {
    const std::string hint = ProcessHint(HolderOf(inode));
    if (!hint.empty()) return hint;
  }
  return "";
}

}  // namespace weir
