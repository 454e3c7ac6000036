#include "proxy/relay/pipe_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <fstream>
#include <utility>

#include "glog/logging.h"

namespace weir {

size_t PipeMemory() {
  std::ifstream file("/proc/sys/fs/pipe-user-pages-soft");
  size_t pages = 0;
  if (!(file >> pages) || pages == 0) return PipePool::kMemory;
  return std::min(PipePool::kMemory,
                  pages * static_cast<size_t>(sysconf(_SC_PAGESIZE)));
}

PipePool::PipePool(const Options& options)
    : reactor_(options.reactor),
      max_pipes_(options.max_pipes),
      memory_(options.memory) {}

size_t PipePool::WantedSize() const {
  const size_t streams = std::max({streams_, last_streams_, size_t{1}});
  return std::clamp(std::bit_floor(memory_ / streams), kSmallest, kLargest);
}

void PipePool::CountStream(uint8_t* window) {
  if (*window == window_) return;
  *window = window_;
  ++streams_;
  if (!scheduled()) reactor_->Schedule(this, reactor_->Now() + kWindow);
}

void PipePool::OnTimer() noexcept {
  if (++window_ == 0) window_ = 1;  // 0: a stream that never borrowed
  last_streams_ = std::exchange(streams_, 0);
  make_refused_ = size_refused_ = false;
  while (free_.size() > last_streams_) free_.pop_back();
  ShowPipes();
  if (last_streams_ > 0) reactor_->Schedule(this, reactor_->Now() + kWindow);
}

void PipePool::ShowPipes() {
  metrics_.pipes.Set(static_cast<int64_t>(lent_ + free_.size()));
}

PipePtr PipePool::Refused(SpliceFallback reason) {
  make_refused_ = true;
  Count(reason);
  return nullptr;
}

PipePtr PipePool::Make() {
  if (lent_ >= max_pipes_) {
    Count(SpliceFallback::kPipes);
    return nullptr;
  }
  Kernel& kernel = reactor_->kernel();
  int ends[2];
  const SysResult made = kernel.Pipe(ends, O_NONBLOCK | O_CLOEXEC);
  if (!made.ok()) {
    return Refused(made.error == EMFILE || made.error == ENFILE
                       ? SpliceFallback::kDescriptors
                   : made.error == ENOMEM ? SpliceFallback::kMemory
                                          : SpliceFallback::kRefused);
  }
  UniqueFd read_end(ends[0], kernel);
  UniqueFd write_end(ends[1], kernel);
  const SysResult size = kernel.GetPipeSize(read_end.get());
  // Beyond a user's limit the kernel still makes pipes, of two pages.
  if (!size.ok() || static_cast<size_t>(size.value) < kSmallest) {
    return Refused(SpliceFallback::kUserLimit);
  }
  return std::make_unique<Pipe>(std::move(read_end), std::move(write_end),
                                static_cast<size_t>(size.value));
}

void PipePool::Resize(Pipe* pipe) {
  const size_t wanted = WantedSize();
  // A size that is nearly right is not worth a call.
  if (pipe->capacity_ >= wanted && pipe->capacity_ <= 2 * wanted) return;
  if (pipe->capacity_ < wanted && size_refused_) return;
  Kernel& kernel = reactor_->kernel();
  for (size_t size = wanted; size >= kSmallest; size /= 4) {
    if (size <= pipe->capacity_ && size < wanted) return;
    const SysResult r = kernel.SetPipeSize(pipe->read_end(), size);
    if (r.ok()) {
      pipe->capacity_ = static_cast<size_t>(r.value);
      return;
    }
    if (!std::exchange(size_refused_, true)) Count(SpliceFallback::kPipeSize);
  }
}

PipePtr PipePool::Borrow(uint8_t* window) {
  CountStream(window);
  PipePtr pipe;
  if (!free_.empty()) {
    pipe = std::move(free_.back());
    free_.pop_back();
  } else if (!make_refused_) {
    pipe = Make();
  }
  if (pipe == nullptr) return nullptr;
  Resize(pipe.get());
  ++lent_;
  ShowPipes();
  return pipe;
}

void PipePool::Return(PipePtr pipe) {
  if (pipe == nullptr) return;
  --lent_;
  if (pipe->empty()) {
    free_.push_back(std::move(pipe));
    if (!scheduled()) reactor_->Schedule(this, reactor_->Now() + kWindow);
  } else {
    metrics_.held.Add(-static_cast<int64_t>(pipe->size()));
  }
  pipe.reset();
  ShowPipes();
}

void PipePool::Filled(Pipe* pipe, size_t size) {
  pipe->size_ += size;
  metrics_.held.Add(static_cast<int64_t>(size));
}

void PipePool::Drained(Pipe* pipe, size_t size) {
  DCHECK_LE(size, pipe->size_);
  pipe->size_ -= size;
  metrics_.held.Add(-static_cast<int64_t>(size));
}

void PipePool::Disown(const PipePtr& pipe) {
  if (pipe == nullptr) return;
  --lent_;
  metrics_.held.Add(-static_cast<int64_t>(pipe->size()));
  ShowPipes();
}

void PipePool::Adopt(const PipePtr& pipe) {
  if (pipe == nullptr) return;
  ++lent_;
  metrics_.held.Add(static_cast<int64_t>(pipe->size()));
  ShowPipes();
}

}  // namespace weir
