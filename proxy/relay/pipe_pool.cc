#include "proxy/relay/pipe_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <fstream>
#include <new>
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
      memory_(options.memory) {
  free_.reserve(max_pipes_);
}

size_t PipePool::WantedSize() const {
  const size_t streams =
      std::max({streams_, last_streams_, kStalledWeight * lent_, size_t{1}});
  const size_t share = std::min(memory_ / streams, MemoryLeft());
  return std::clamp(std::bit_floor(share), kSmallest, kLargest);
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
  refused_.reset();
  size_refused_ = false;
  while (free_.size() > last_streams_) free_.pop_back();
  ShowPipes();
  if (last_streams_ > 0) reactor_->Schedule(this, reactor_->Now() + kWindow);
}

void PipePool::ShowPipes() {
  metrics_.pipes.Set(static_cast<int64_t>(lent_ + free_.size()));
}

PipePtr PipePool::Refuse(SpliceFallback reason) {
  refused_ = reason;
  Count(reason);
  return nullptr;
}

PipePtr PipePool::Make() {
  if (refused_.has_value()) return Refuse(*refused_);
  Kernel& kernel = reactor_->kernel();
  int ends[2];
  const SysResult made = kernel.Pipe(ends, O_NONBLOCK | O_CLOEXEC);
  if (!made.ok()) {
    return Refuse(made.error == EMFILE || made.error == ENFILE
                      ? SpliceFallback::kDescriptors
                  : made.error == ENOMEM ? SpliceFallback::kMemory
                                         : SpliceFallback::kRefused);
  }
  UniqueFd read_end(ends[0], kernel);
  UniqueFd write_end(ends[1], kernel);
  const SysResult size = kernel.GetPipeSize(read_end.get());
  // Beyond a user's limit the kernel still makes pipes, of two pages.
  if (!size.ok() || static_cast<size_t>(size.value) < kSmallest) {
    return Refuse(SpliceFallback::kUserLimit);
  }
  PipePtr pipe(new (std::nothrow)
                   Pipe(std::move(read_end), std::move(write_end),
                        static_cast<size_t>(size.value)));
  return pipe != nullptr ? std::move(pipe) : Refuse(SpliceFallback::kMemory);
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
  if (max_pipes_ == 0) return nullptr;  // as asked for
  CountStream(window);
  if (lent_ >= max_pipes_ || MemoryLeft() < kSmallest) {
    Count(SpliceFallback::kPipes);
    return nullptr;
  }
  PipePtr pipe;
  if (free_.empty()) {
    pipe = Make();
    if (pipe == nullptr) return nullptr;
  } else {
    pipe = std::move(free_.back());
    free_.pop_back();
  }
  Resize(pipe.get());
  ++lent_;
  lent_memory_ += pipe->capacity();
  ShowPipes();
  return pipe;
}

void PipePool::Return(PipePtr pipe) {
  if (pipe == nullptr) return;
  --lent_;
  lent_memory_ -= pipe->capacity();
  if (!pipe->empty()) {
    metrics_.held.Add(-static_cast<int64_t>(pipe->size()));
  } else if (lent_ + free_.size() < max_pipes_) {
    free_.push_back(std::move(pipe));
    if (!scheduled()) reactor_->Schedule(this, reactor_->Now() + kWindow);
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
  lent_memory_ -= pipe->capacity();
  metrics_.held.Add(-static_cast<int64_t>(pipe->size()));
  ShowPipes();
}

void PipePool::Adopt(const PipePtr& pipe) {
  if (pipe == nullptr) return;
  ++lent_;
  lent_memory_ += pipe->capacity();
  metrics_.held.Add(static_cast<int64_t>(pipe->size()));
  ShowPipes();
}

}  // namespace weir
