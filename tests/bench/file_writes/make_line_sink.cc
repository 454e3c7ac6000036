#include <errno.h>
#include <fcntl.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "reactor/async_file/completion.h"
#include "reactor/errno_status.h"
#include "reactor/fd.h"
#include "tests/bench/file_writes/aio_sink.h"
#include "tests/bench/file_writes/line_sink.h"
#include "tests/bench/file_writes/thread_sink.h"
#include "tests/bench/file_writes/uring_sink.h"
#include "tests/bench/file_writes/write_all.h"

namespace weir {
namespace {

class NoSink final : public LineSink {
 public:
  bool busy() const override { return false; }
  void Write(std::string*) override {}
};

// What the product never does.
class BlockingSink final : public LineSink {
 public:
  explicit BlockingSink(UniqueFd fd) : fd_(std::move(fd)) {}

  bool busy() const override { return false; }
  void Write(std::string* batch) override { WriteAll(fd_.get(), *batch); }

 private:
  const UniqueFd fd_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<LineSink>> MakeLineSink(std::string_view way,
                                                       const std::string& path,
                                                       Reactor* reactor) {
  if (way == "none") return std::make_unique<NoSink>();
  constexpr mode_t kMode = 0640;
  // Two write at offsets of their own: see AsyncFile::OpenFor.
  const bool appends = way != "aio-signal" && way != "io_uring";
  UniqueFd fd(
      open(path.c_str(),
           O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | (appends ? O_APPEND : 0),
           kMode));
  if (!fd) return ErrnoStatus(errno, absl::StrCat("cannot open ", path));
  if (way == "blocking") return std::make_unique<BlockingSink>(std::move(fd));
  if (way == "io_uring") return UringSink::Create(std::move(fd), reactor);
  if (way == "writer-thread") return ThreadSink::Create(std::move(fd));
  for (size_t i = 0; i < kAioCompletionNames.size(); ++i) {
    if (way == absl::StrCat("aio-", std::string(kAioCompletionNames[i]))) {
      return AioSink::Create(static_cast<AioCompletion>(i), std::move(fd),
                             reactor);
    }
  }
  return absl::InvalidArgumentError("there is no such way");
}

}  // namespace weir
