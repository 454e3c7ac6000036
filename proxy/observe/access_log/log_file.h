// Public. The file of the access log: batches of lines go in, whatever becomes
// of the disk, and every line is counted once.

#ifndef PROXY_OBSERVE_ACCESS_LOG_LOG_FILE_H_
#define PROXY_OBSERVE_ACCESS_LOG_LOG_FILE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "metrics/instrument.h"
#include "reactor/async_file/aio_queue.h"
#include "reactor/async_file/async_file.h"
#include "reactor/clock.h"
#include "reactor/reactor.h"
#include "reactor/timer_wheel.h"

namespace weir {

// Loop thread only, but for the counters.
//
// A file that cannot be opened or written to is closed and opened again each
// kRetry, until it takes lines. A line that was cut by an error is completed
// when writing goes on in the same file, before anything else; else the line
// counts as dropped. A half line that somebody else left (a process that was
// killed) is ended by a newline. A write that hangs is waited for.
class LogFile final : private Timer {
 public:
  static constexpr Duration kRetry = std::chrono::seconds(1);
  // How old the knowledge of what lies at the path may be when a batch is
  // written.
  static constexpr Duration kLook = std::chrono::seconds(1);
  // What a write to the old file gets once the new one is open.
  static constexpr Duration kOldFile = std::chrono::seconds(2);

  struct Options {
    Reactor* reactor = nullptr;  // outlives this, as the queue does
    AioQueue* queue = nullptr;
    std::string path;
    // state() or trouble() changed, but for what a call of Write() changed
    // before it returned. Must not destroy this.
    std::function<void()> changed;
  };

  enum class State : uint8_t {
    kOpening,  // there is no file yet, or none any more
    kReady,    // Write() may be called
    kWriting,
    kFailing,  // trouble() says why; waits for the next attempt
  };

  struct Metrics {
    Counter lines;    // that are in the file, whole
    Counter bytes;    // likewise, with those of cut lines
    Counter dropped;  // lines that were given to Write() and are not
    Counter reopens;  // not counting the first time
  };

  // Begins to open it.
  explicit LogFile(Options options);
  // What is being written is given up.
  ~LogFile() override = default;

  State state() const { return state_; }
  // Why lines do not get into the file: the last thing that was tried failed.
  // Ok again when it is open, or, after a write that failed, when one
  // succeeded.
  const absl::Status& trouble() const { return trouble_; }

  // Appends `batch`, whole lines, `lines` of them; kReady only. Looks first
  // whether the file is still what lies at the path, and else opens that.
  void Write(std::string batch, size_t lines);

  // Opens what lies at the path now and goes on there, once what is being
  // written is over, or given up. A file that fails is tried at once.
  void Reopen();

  // At the exit: whatever is not in the file by now counts as lost. Returns the
  // number of those lines, which are not among the dropped ones.
  size_t Abandon();

  // A buffer for the next batch, empty, with the memory of an earlier one.
  std::string TakeBuffer();

  // Any thread.
  const Metrics& metrics() const { return metrics_; }

 private:
  void OnTimer() noexcept override;
  void Open();
  void OnOpened(absl::StatusOr<std::unique_ptr<AsyncFile>> file);
  // Lets go of the file for what next_ has.
  void Switch();
  void OnIdentified(const absl::StatusOr<FileId>& id);
  void Append();
  void OnWritten(AsyncFile::Result result);
  // Counts what of a batch that failed is in the file, and keeps the rest of a
  // line that was cut.
  void CountPart(const AsyncFile::Result& result);
  void Fail(absl::Status why);
  // The cut line will not be completed.
  void DropTorn();
  size_t torn_lines() const { return torn_have_ > 0 ? 1 : 0; }
  // A batch waits for a file, or for a look at the path.
  bool holds_batch() const { return lines_ > 0 && !appending_; }
  void Become(State state);

  const Options options_;
  State state_ = State::kOpening;
  absl::Status trouble_;
  bool write_failed_ = false;  // and none succeeded since

  std::unique_ptr<AsyncFile> file_;  // null: none is open
  bool opening_ = false;             // an Open() is under way
  bool open_again_ = false;          // and what it opens may be outdated
  bool opened_once_ = false;
  MonoTime looked_at_;  // when `file_` was what lies at the path
  // What was opened, or why not, while `file_` is still being written to.
  std::optional<absl::StatusOr<std::unique_ptr<AsyncFile>>> next_;

  // The batch; while it is being appended, its bytes are with `file_`.
  std::string batch_;
  size_t lines_ = 0;
  bool appending_ = false;

  // What `file_` gets before the next batch: the rest of a line that was cut,
  // or a newline behind a half line of another's. Of the former: in which file
  // it was, and how many bytes of it are there; else 0.
  std::string torn_;
  FileId torn_id_;
  uint64_t torn_have_ = 0;

  std::string spare_;
  Metrics metrics_;
  // Of callbacks that may come when this is gone.
  std::shared_ptr<LogFile*> self_ = std::make_shared<LogFile*>(this);
};

}  // namespace weir

#endif  // PROXY_OBSERVE_ACCESS_LOG_LOG_FILE_H_
