// Public. How weir's other commands find a running proxy: a file a process, in
// a folder of its user, that says where its admin port is. The process holds a
// lock on it while it lives; what a crash leaves behind is a file without a
// lock, which the next reader removes.

#ifndef PROXY_LIFECYCLE_INSTANCE_FILE_H_
#define PROXY_LIFECYCLE_INSTANCE_FILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "reactor/address.h"
#include "reactor/fd.h"

namespace weir {

// $XDG_RUNTIME_DIR/weir; without that variable, or when that folder is another
// user's (as sudo and su may leave it), /run/weir for root and /tmp/weir-UID
// for others.
std::string RunDirectory();

// "http://127.0.0.1:9464", "unix:/path" or "unix:@name": a line of an instance
// file. Paths become absolute.
std::string FormatAdminAddress(const Address& address);
// The reverse. InvalidArgument when it is none.
absl::StatusOr<Address> ParseAdminAddress(const std::string& text);

// The file of this process. As thread-safe as an int.
class InstanceFile {
 public:
  InstanceFile() = default;
  // Removes the file.
  ~InstanceFile();
  InstanceFile(const InstanceFile&) = delete;
  InstanceFile& operator=(const InstanceFile&) = delete;

  // Makes the folder (mode 0700) where it is missing, and the file in it. It
  // appears whole and locked. Call once.
  //
  // Nothing is left behind on an error, which has the errno and names the file;
  // PermissionDenied when the folder belongs to, or can be written by, somebody
  // else.
  absl::Status Write(const std::string& directory, const Address& admin);

 private:
  UniqueFd folder_;   // whose path may by now be another folder's
  std::string name_;  // in it; empty: none
  UniqueFd file_;     // locked
};

struct Instance {
  int64_t pid = 0;  // in the writer's pid namespace
  Address admin;
};

// Those that live, by pid. Removes the files of others, and passes over what is
// no such file. Errors as of Write(); a folder that is not there is empty.
absl::StatusOr<std::vector<Instance>> LiveInstances(
    const std::string& directory);

}  // namespace weir

#endif  // PROXY_LIFECYCLE_INSTANCE_FILE_H_
