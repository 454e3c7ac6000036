// How a pump splices.

#include <span>
#include <utility>

#include "proxy/relay/pump.h"

namespace weir {

using Io = Transport::Io;

Pump::Step Pump::Splice(const Site& site, Transport& source,
                        Transport& target) {
  PipePool& pipes = site.pools->pipes;
  pipe_ = pipes.Borrow(&pipe_window_);
  if (pipe_ == nullptr) return CopyOrPeek(site, source, target);
  const Transport::IoResult read =
      source.ReadInto(*site.kernel, pipes, pipe_.get(), pipe_->capacity());
  if (read.io == Io::kMoved) {
    spliced_ = true;
    site.counters.received->Add(read.bytes);
    Judge(read.bytes);
    return Drain(site, target);
  }
  pipes.Return(std::move(pipe_));
  switch (read.io) {
    case Io::kRefused:
      RefuseSplice(site);
      break;
    case Io::kStarved:
      pipes.Count(SpliceFallback::kMemory);
      break;
    case Io::kBlocked:
      return Step::kBlocked;
    default:  // kUnsure
      break;
  }
  return CopyOrPeek(site, source, target);
}

Pump::Step Pump::Drain(const Site& site, Transport& target) {
  if (refused_) return Spill(site);
  PipePool& pipes = site.pools->pipes;
  const Transport::IoResult write =
      target.WriteFrom(*site.kernel, pipes, pipe_.get());
  CountSent(write.bytes, RelayPath::kSplice, site);
  if (pipe_->empty()) pipes.Return(std::move(pipe_));
  if (write.io != Io::kRefused) {
    return write.io == Io::kStarved ? Step::kStarved : Step::kMoved;
  }
  RefuseSplice(site);
  return Spill(site);
}

Pump::Step Pump::Spill(const Site& site) {
  BufferPool& buffers = site.pools->buffers;
  PipePool& pipes = site.pools->pipes;
  // They cannot go back to where they came from.
  if (!buffers.Available(/*beyond_cap=*/true)) return Step::kStarved;
  const std::span<char> scratch = buffers.scratch();
  const SysResult r =
      site.kernel->Read(pipe_->read_end(), scratch.data(), scratch.size());
  if (!r.ok()) return Step::kStarved;
  const size_t bytes = static_cast<size_t>(r.value);
  pipes.Drained(pipe_.get(), bytes);
  buffer_ = buffers.Borrow(scratch.first(bytes));
  if (pipe_->empty()) pipes.Return(std::move(pipe_));
  return Step::kMoved;
}

}  // namespace weir
