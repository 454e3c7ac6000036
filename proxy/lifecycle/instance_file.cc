#include "proxy/lifecycle/instance_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "reactor/errno_status.h"

namespace weir {
namespace {

constexpr std::string_view kHttp = "http://";
constexpr std::string_view kUnix = "unix:";
constexpr size_t kMaxFile = 1024;  // bytes; an address is far shorter

bool TakeStart(std::string_view start, std::string_view* text) {
  if (text->substr(0, start.size()) != start) return false;
  text->remove_prefix(start.size());
  return true;
}

// A folder of ours in which nobody else writes. In /tmp others could make one
// under that name before us.
absl::StatusOr<UniqueFd> OpenDirectory(const std::string& path) {
  UniqueFd directory(
      open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory) return ErrnoStatus(errno, path);
  struct stat status;
  if (fstat(directory.get(), &status) != 0) return ErrnoStatus(errno, path);
  if (status.st_uid != geteuid() || (status.st_mode & 022) != 0) {
    return absl::PermissionDeniedError(
        absl::StrCat(path, ": belongs to, or can be written by, others"));
  }
  return directory;
}

int WriteAll(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t written = write(fd, data.data(), data.size());
    if (written < 0 && errno != EINTR) return errno;
    data.remove_prefix(static_cast<size_t>(std::max<ssize_t>(written, 0)));
  }
  return 0;
}

// Whether `name` in `directory` is the file that `fd` is.
bool IsFile(int directory, const std::string& name, int fd) {
  struct stat by_name;
  struct stat by_fd;
  return fstatat(directory, name.c_str(), &by_name, AT_SYMLINK_NOFOLLOW) == 0 &&
         fstat(fd, &by_fd) == 0 && by_name.st_dev == by_fd.st_dev &&
         by_name.st_ino == by_fd.st_ino;
}

std::optional<int64_t> PidOf(const std::string& name) {
  int64_t pid = 0;
  const bool digits = std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c));
  });
  if (!digits || !absl::SimpleAtoi(name, &pid) || pid <= 0) return {};
  return pid;
}

// The instance whose file that is; nothing, and the file removed, when it is
// over.
std::optional<Instance> Look(int directory, const std::string& name,
                             int64_t pid) {
  // (Non-blocking for the sake of a FIFO.)
  const UniqueFd file(
      openat(directory, name.c_str(),
             O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat status;
  if (!file || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return {};
  }
  // Shared: two readers do not take each other for the process.
  if (flock(file.get(), LOCK_SH | LOCK_NB) == 0) {
    // By now the name may be that of a new process with the same pid.
    if (IsFile(directory, name, file.get())) {
      unlinkat(directory, name.c_str(), 0);
    }
    return {};
  }
  if (errno != EWOULDBLOCK) return {};
  char text[kMaxFile];
  const ssize_t size = read(file.get(), text, sizeof(text));
  if (size <= 0) return {};
  std::string_view line(text, static_cast<size_t>(size));
  line = line.substr(0, line.find('\n'));
  absl::StatusOr<Address> admin = ParseAdminAddress(std::string(line));
  if (!admin.ok()) return {};
  return Instance{pid, *std::move(admin)};
}

}  // namespace

std::string RunDirectory() {
  // Relative ones do not count (XDG Base Directory Specification).
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  const uid_t user = geteuid();
  struct stat status;
  // (One that is not there is no other's: an error will name it.)
  if (runtime != nullptr && runtime[0] == '/' &&
      (stat(runtime, &status) != 0 || status.st_uid == user)) {
    return absl::StrCat(runtime, "/weir");
  }
  return user == 0 ? "/run/weir" : absl::StrCat("/tmp/weir-", user);
}

std::string FormatAdminAddress(const Address& address) {
  if (!address.is_unix()) {
    return absl::StrCat(std::string(kHttp), address.ToString());
  }
  const std::string_view abstract = address.unix_abstract();
  if (!abstract.empty()) {
    return absl::StrCat(std::string(kUnix), "@", std::string(abstract));
  }
  // Who reads it stands in another folder.
  std::error_code ignored;
  return absl::StrCat(
      std::string(kUnix),
      std::filesystem::absolute(address.unix_path(), ignored).string());
}

absl::StatusOr<Address> ParseAdminAddress(const std::string& text) {
  std::string_view rest = text;
  if (TakeStart(kUnix, &rest)) {
    return TakeStart("@", &rest) ? Address::UnixAbstract(rest)
                                 : Address::UnixPath(rest);
  }
  const size_t colon = rest.rfind(':');
  int port = 0;
  if (!TakeStart(kHttp, &rest) || colon == std::string_view::npos ||
      !absl::SimpleAtoi(text.substr(colon + 1), &port) || port <= 0 ||
      port > 65535) {
    return absl::InvalidArgumentError("not the address of an admin port");
  }
  rest = rest.substr(0, rest.rfind(':'));
  if (TakeStart("[", &rest)) {
    if (rest.empty() || rest.back() != ']') rest = {};
    rest.remove_suffix(rest.empty() ? 0 : 1);
  }
  return ParseIpAddress(rest, static_cast<uint16_t>(port));
}

InstanceFile::~InstanceFile() {
  // While it is still locked: a reader must not find it half gone.
  if (!name_.empty()) unlinkat(folder_.get(), name_.c_str(), 0);
}

absl::Status InstanceFile::Write(const std::string& directory,
                                 const Address& admin) {
  const std::string name = absl::StrCat(getpid());
  const std::string path = absl::StrCat(directory, "/", name);
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, directory);
  }
  absl::StatusOr<UniqueFd> folder = OpenDirectory(directory);
  if (!folder.ok()) return folder.status();
  const int in = folder->get();
  // Under another name until it is whole and locked. What a killed process with
  // our pid left of that name is ours to replace.
  const std::string temporary = absl::StrCat(name, ".tmp");
  unlinkat(in, temporary.c_str(), 0);
  UniqueFd file(openat(in, temporary.c_str(),
                       O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) return ErrnoStatus(errno, absl::StrCat(path, ".tmp"));
  int error = WriteAll(file.get(), FormatAdminAddress(admin) + "\n");
  if (error == 0 && flock(file.get(), LOCK_EX | LOCK_NB) != 0) error = errno;
  if (error == 0 && renameat(in, temporary.c_str(), in, name.c_str()) != 0) {
    error = errno;
  }
  if (error != 0) {
    unlinkat(in, temporary.c_str(), 0);
    return ErrnoStatus(error, path);
  }
  folder_ = *std::move(folder);
  name_ = name;
  file_ = std::move(file);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Instance>> LiveInstances(
    const std::string& directory) {
  std::vector<Instance> instances;
  absl::StatusOr<UniqueFd> folder = OpenDirectory(directory);
  if (!folder.ok()) {
    if (absl::IsNotFound(folder.status())) return instances;
    return folder.status();
  }
  DIR* entries = fdopendir(folder->get());
  if (entries == nullptr) return ErrnoStatus(errno, directory);
  const int fd = folder->Release();  // closed with `entries`
  while (const dirent* entry = readdir(entries)) {
    const std::string name = entry->d_name;
    const std::optional<int64_t> pid = PidOf(name);
    if (!pid) continue;
    std::optional<Instance> instance = Look(fd, name, *pid);
    if (instance) instances.push_back(*std::move(instance));
  }
  closedir(entries);
  std::sort(instances.begin(), instances.end(),
            [](const Instance& a, const Instance& b) { return a.pid < b.pid; });
  return instances;
}

}  // namespace weir
