// Internal to reactor/. What the control groups of this process say: version 1,
// version 2, or both at once (hybrid).

#ifndef REACTOR_CGROUP_H_
#define REACTOR_CGROUP_H_

#include <string>
#include <string_view>
#include <vector>

namespace weir {

// Reads files when it is asked; for start-up.
class Cgroup {
 public:
  // All files lie below `root`: "" is the machine, tests give a folder.
  explicit Cgroup(std::string root = "");

  // A group of this process and each of its ancestors, up to the top of what is
  // mounted: a limit of any of them holds. In a container the top is what the
  // container sees, and limits above it are invisible.
  struct Path {
    std::vector<std::string> directories;  // the group itself first
  };

  // Of version 2; empty where it is not mounted.
  Path Version2() const;
  // Of a controller of version 1 ("cpu", "memory"); empty where that is not
  // mounted.
  Path Version1(std::string_view controller) const;

 private:
  struct Mount {
    bool version2 = false;
    std::string group;  // the group that is mounted: "/" but in containers
    std::string directory;
    std::vector<std::string> controllers;  // version 1
  };
  struct Membership {
    bool version2 = false;
    std::vector<std::string> controllers;  // version 1
    std::string group;
  };

  void ReadMounts();
  void ReadMemberships();
  Path PathOf(const Mount& mount, const Membership& membership) const;

  const std::string root_;
  std::vector<Mount> mounts_;
  std::vector<Membership> memberships_;
};

// The first line of a file, without its end; empty where it cannot be read.
std::string FirstLine(const std::string& path);

}  // namespace weir

#endif  // REACTOR_CGROUP_H_
