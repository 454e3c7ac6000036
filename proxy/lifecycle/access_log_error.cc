#include "proxy/lifecycle/access_log_error.h"

#include <errno.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "reactor/errno_status.h"

namespace weir {
namespace {

std::string WayOut(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return "; make its directory, or name another file";
    case EACCES:
    case EPERM:
      return absl::StrCat("; let uid ", geteuid(),
                          " write there, or name another file");
    case EISDIR:
      return "; name a file in it";
    case ENXIO:
      return " (a socket cannot be opened); name a file, or put `| cat` behind "
             "weir";
    case ESPIPE:
      return "; take --file_io=polled or --file_io=thread, or name a regular "
             "file";
    default:
      return "; name another file";
  }
}

}  // namespace

absl::Status AccessLogHangs(const std::string& file) {
  return absl::DeadlineExceededError(
      absl::StrCat("--access_log=", file,
                   ": not opened within 5 s: does its file system hang? name "
                   "another file"));
}

absl::Status AccessLogError(const absl::Status& trouble) {
  return absl::Status(trouble.code(),
                      absl::StrCat("--access_log: ", trouble.message(),
                                   WayOut(ErrnoOf(trouble))));
}

}  // namespace weir
