#include "reactor/async_file/aio_queue.h"

#include <errno.h>
#include <fcntl.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "reactor/callback_kind.h"
#include "reactor/errno_status.h"

namespace weir {
namespace {

const char* Verb(AioKind kind) {
  switch (kind) {
    case AioKind::kReading:
      return "cannot read";
    case AioKind::kWriting:
      return "cannot write";
    case AioKind::kSyncing:
      break;
  }
  return "cannot sync";
}

// Keeps what helper threads may still use for as long as the process lives.
void LeaveBehind(std::unique_ptr<AioRequest> request) {
  static auto* const mutex = new std::mutex;
  static auto* const kept = new std::vector<std::unique_ptr<AioRequest>>;
  const std::lock_guard<std::mutex> lock(*mutex);
  kept->push_back(std::move(request));
}

// Nobody wants to know any more. What the callback holds may be the file, whose
// destructor comes here again.
void Forget(AioRequest* request) {
  const auto unrun = std::exchange(request->ended, nullptr);
}

}  // namespace

absl::StatusOr<std::unique_ptr<AioQueue>> AioQueue::Create(Options options) {
  auto queue = absl::WrapUnique(new AioQueue(options));
  absl::StatusOr<std::unique_ptr<CompletionNotice>> notice =
      CompletionNotice::Make(options.completion, options.reactor,
                             [q = queue.get()] { q->OnNotice(); });
  if (!notice.ok()) return notice.status();
  queue->notice_ = *std::move(notice);
  return queue;
}

AioQueue::AioQueue(Options options)
    : options_(options),
      thread_(std::make_shared<FileThread>(options.reactor)),
      opener_(options.reactor) {}

AioQueue::~AioQueue() {
  for (const RequestPtr& request : requests_) {
    Forget(request.get());
    request->cancelled = true;
    if (request->submitted) options_.calls->Cancel(request->file->fd());
  }
  Look(false);
  for (RequestPtr& request : requests_) {
    if (request->submitted) LeaveBehind(std::move(request));
  }
  requests_.clear();
  opener_.Stop();
  thread_->Stop();
}

void AioQueue::Prepare(AioRequest* request) {
  aiocb& block = request->block;
  block = {};
  block.aio_fildes = request->file->fd();
  block.aio_buf = request->buffer.data() + request->done;
  block.aio_nbytes = request->buffer.size() - request->done;
  block.aio_offset = static_cast<off_t>(request->offset + request->done);
  block.aio_lio_opcode =
      request->kind == AioKind::kReading ? LIO_READ : LIO_WRITE;
  if (request->silent) {
    block.aio_sigevent.sigev_notify = SIGEV_NONE;
  } else {
    notice_->Prepare(&block);
  }
  request->submitted = true;
  request->refused = 0;
}

void AioQueue::Start(AioRequest* request) {
  Prepare(request);
  aiocb* const block = &request->block;
  switch (request->kind) {
    case AioKind::kReading:
      request->refused = options_.calls->Read(block);
      break;
    case AioKind::kWriting:
      request->refused = options_.calls->Write(block);
      break;
    case AioKind::kSyncing:
      request->refused = options_.calls->Sync(O_DSYNC, block);
      break;
  }
  request->submitted = request->refused == 0;
}

void AioQueue::Add(RequestPtr request) {
  request->queued_at = options_.reactor->Now();
  metrics_.requests[static_cast<size_t>(request->kind)].Add();
  Duration wait = notice_->first_look();
  if (request->silent) wait = CompletionNotice::kFirstLook;
  if (!request->submitted) wait = Duration::zero();
  requests_.push_back(std::move(request));
  CountOutstanding();
  LookWithin(wait);
}

void AioQueue::Submit(RequestPtr request) {
  if (!request->cancelled) Start(request.get());
  Add(std::move(request));
}

void AioQueue::SubmitList(std::vector<RequestPtr> requests) {
  std::vector<aiocb*> blocks;
  for (const RequestPtr& request : requests) {
    Prepare(request.get());
    blocks.push_back(&request->block);
  }
  const bool failed = options_.calls->List(blocks) != 0;
  for (RequestPtr& request : requests) {
    // Some were taken, and it does not say which: of one that is not seen to
    // run, a repetition changes nothing, for it has an offset of its own.
    if (failed && options_.calls->Error(&request->block) != EINPROGRESS) {
      Start(request.get());
    }
    Add(std::move(request));
  }
}

bool AioQueue::Settle(AioRequest* request, absl::Status* status) {
  const int error = options_.calls->Error(&request->block);
  const ssize_t n = options_.calls->Return(&request->block);
  request->submitted = false;
  if (error == ECANCELED) {
    *status = absl::CancelledError("cancelled");
    return true;
  }
  if (error == EAGAIN) {
    // A pipe is full: until the next look. Or the signal that should have told
    // found no room in its queue, and the errno of that took the place of the
    // result: the transfer was made, as much of it as could be. The same again
    // changes nothing (AsyncFile sees to that) and without a signal it has a
    // result.
    const bool signalled = options_.completion == AioCompletion::kSignal;
    if (signalled && !request->silent && request->ended != nullptr) {
      request->silent = true;
      metrics_.resubmitted.Add();
      Start(request);
      LookWithin(CompletionNotice::kFirstLook);
    }
    return false;
  }
  if (error != 0) {
    *status = ErrnoStatus(error, Verb(request->kind));
    return true;
  }
  if (request->kind == AioKind::kSyncing) return true;
  request->done += static_cast<size_t>(n);
  if (request->done == request->buffer.size()) return true;
  if (n == 0) {  // the end of the file
    if (request->kind == AioKind::kWriting) {
      *status = ErrnoStatus(EIO, Verb(request->kind), " (nothing was taken)");
    }
    return true;
  }
  if (request->cancelled)
    return false;  // no more of it: ended at the next look
  metrics_.resubmitted.Add();
  Start(request);
  return false;
}

size_t AioQueue::Look(bool retry) {
  size_t noticeable = 0;
  for (RequestPtr& request : requests_) {
    absl::Status status;
    if (request->submitted) {
      if (options_.calls->Error(&request->block) == EINPROGRESS) continue;
      if (!Settle(request.get(), &status)) continue;
      if (!request->silent) ++noticeable;
    } else if (request->cancelled) {
      status = absl::CancelledError("cancelled");
    } else if (request->refused != 0 && request->refused != EAGAIN) {
      status = ErrnoStatus(request->refused, Verb(request->kind));
    } else {
      if (retry) {
        metrics_.resubmitted.Add();
        Start(request.get());
      }
      continue;
    }
    over_.emplace_back(std::move(request), std::move(status));
  }
  std::erase(requests_, nullptr);
  CountOutstanding();
  const MonoTime now = options_.reactor->Now();
  for (auto& [request, status] : over_) {
    metrics_.seconds.Observe((now - request->queued_at).count());
    if (!status.ok()) metrics_.failed.Add();
    auto tell = std::exchange(request->ended, nullptr);
    if (tell != nullptr) std::move(tell)(std::move(request), std::move(status));
  }
  over_.clear();
  return noticeable;
}

void AioQueue::OnNotice() {
  Look(false);
  if (requests_.empty()) options_.reactor->Cancel(this);
}

void AioQueue::OnTimer() noexcept {
  options_.reactor->Describe(CallbackKind::kFile, {});
  const size_t ended = Look(true);
  if (options_.completion != AioCompletion::kPolled) {
    metrics_.unnoticed.Add(ended);
  }
  if (requests_.empty() || scheduled()) return;
  wait_ = ended > 0 ? notice_->first_look()
                    : std::clamp(2 * wait_, notice_->first_look(),
                                 CompletionNotice::kLookAnyway);
  options_.reactor->Schedule(this, options_.reactor->Now() + wait_);
}

void AioQueue::LookWithin(Duration wait) {
  const MonoTime at = options_.reactor->Now() + wait;
  if (scheduled() && deadline() <= at) return;
  wait_ = wait;
  options_.reactor->Schedule(this, at);
}

void AioQueue::CountOutstanding() {
  metrics_.outstanding.Set(static_cast<int64_t>(requests_.size()));
  MonoTime oldest = kNever;
  for (const RequestPtr& request : requests_) {
    oldest = std::min(oldest, request->queued_at);
  }
  metrics_.oldest_at.Set(requests_.empty() ? 0
                                           : oldest.time_since_epoch().count());
}

void AioQueue::Cancel(const OpenFile& file) {
  bool begun = false;
  for (const RequestPtr& request : requests_) {
    if (request->file.get() != &file) continue;
    request->cancelled = true;
    begun |= request->submitted;
    if (!request->submitted) LookWithin(Duration::zero());
  }
  if (begun) options_.calls->Cancel(file.fd());
}

void AioQueue::Orphan(const OpenFile& file) {
  for (const RequestPtr& request : requests_) {
    if (request->file.get() == &file) Forget(request.get());
  }
  for (auto& [request, status] : over_) {
    if (request != nullptr && request->file.get() == &file) {
      Forget(request.get());
    }
  }
}

}  // namespace weir
