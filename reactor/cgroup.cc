#include "reactor/cgroup.h"

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"

namespace weir {
namespace {

// proc(5): blanks, tabs, newlines and backslashes are octal escapes.
std::string Unescape(const std::string& text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](size_t at) {
      return at < text.size() && text[at] >= '0' && text[at] <= '7';
    };
    if (text[i] == '\\' && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      result +=
          static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                            (text[i + 3] - '0'));
      i += 3;
    } else {
      result += text[i];
    }
  }
  return result;
}

bool Contains(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

}  // namespace

std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

Cgroup::Cgroup(std::string root) : root_(std::move(root)) {
  ReadMounts();
  ReadMemberships();
}

void Cgroup::ReadMounts() {
  std::ifstream table(root_ + "/proc/self/mountinfo");
  std::string line;
  while (std::getline(table, line)) {
    std::istringstream fields(line);
    const std::vector<std::string> words(
        std::istream_iterator<std::string>(fields), {});
    // ID PARENT DEVICE ROOT DIRECTORY OPTIONS TAG... - TYPE SOURCE OPTIONS
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (dash - words.begin() < 6 || words.end() - dash < 4) continue;
    const std::string& type = dash[1];
    if (type != "cgroup" && type != "cgroup2") continue;
    Mount mount;
    mount.version2 = type == "cgroup2";
    mount.group = Unescape(words[3]);
    mount.directory = Unescape(words[4]);
    mount.controllers = absl::StrSplit(dash[3], ',');
    mounts_.push_back(std::move(mount));
  }
}

void Cgroup::ReadMemberships() {
  std::ifstream table(root_ + "/proc/self/cgroup");
  std::string line;
  while (std::getline(table, line)) {
    // NUMBER:CONTROLLERS:GROUP, and a group may have colons in its name.
    const std::vector<std::string> parts =
        absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    Membership membership;
    membership.version2 = parts[1].empty();
    membership.controllers = absl::StrSplit(parts[1], ',');
    membership.group = parts[2];
    memberships_.push_back(std::move(membership));
  }
}

Cgroup::Path Cgroup::Version2() const {
  for (const Membership& membership : memberships_) {
    if (!membership.version2) continue;
    for (const Mount& mount : mounts_) {
      if (mount.version2) return PathOf(mount, membership);
    }
  }
  return {};
}

Cgroup::Path Cgroup::Version1(std::string_view controller) const {
  for (const Membership& membership : memberships_) {
    if (membership.version2 || !Contains(membership.controllers, controller)) {
      continue;
    }
    for (const Mount& mount : mounts_) {
      if (!mount.version2 && Contains(mount.controllers, controller)) {
        return PathOf(mount, membership);
      }
    }
  }
  return {};
}

Cgroup::Path Cgroup::PathOf(const Mount& mount,
                            const Membership& membership) const {
  std::string group = membership.group;
  // Below the mounted group: the rest of the name. Elsewhere (a container with
  // the host's names, "/.." of a process outside its namespace): what is
  // mounted is all that there is.
  const std::string top = mount.group == "/" ? "" : mount.group;
  const bool below = group == top || group.rfind(top + "/", 0) == 0;
  group = below ? group.substr(top.size()) : "";
  if (group.find("/..") != group.npos) group.clear();
  while (!group.empty() && group.back() == '/') group.pop_back();

  Path path;
  const std::string directory = root_ + mount.directory;
  while (!group.empty()) {
    path.directories.push_back(directory + group);
    group.resize(group.rfind('/'));
  }
  path.directories.push_back(directory);
  return path;
}

}  // namespace weir
