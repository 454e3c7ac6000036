#include "proxy/relay/pump.h"

#include <algorithm>
#include <span>
#include <utility>

namespace weir {

using Io = Transport::Io;

Pump::Outcome Pump::Run(const Site& site, Transport& source, Transport& target,
                        bool last) {
  const uint64_t limit = bytes_ + kBudget;
  for (;;) {
    Step step = Step::kMoved;
    if (owed_ > 0) {
      step = Settle(site, source);
    } else if (buffered() > 0) {
      if (!target.writable()) return Outcome::kWaiting;
      step = buffer_.empty() ? Drain(site, target) : Flush(site, target);
    } else if (end_ != End::kOpen) {
      if (end_ == End::kFin && !fin_sent_) {
        fin_sent_ = true;
        if (!last) target.ShutdownWrite(*site.kernel);
      }
      return Outcome::kWaiting;
    } else if (!source.readable() || !target.writable()) {
      return Outcome::kWaiting;
    } else if (bytes_ >= limit) {
      return Outcome::kYielded;
    } else {
      step = Move(site, source, target);
    }
    if (step == Step::kStarved) return Outcome::kStarved;
    // A target that failed may have taken the bytes, but nobody will read them.
    if (target.error() != 0) {
      Abandon(site);
      return Outcome::kWaiting;
    }
  }
}

Pump::Step Pump::Move(const Site& site, Transport& source, Transport& target) {
  const bool splice =
      !refused_ && (site.splice == SpliceMode::kOn ||
                    (site.splice == SpliceMode::kAuto && bulk_));
  return splice ? Splice(site, source, target)
                : CopyOrPeek(site, source, target);
}

Pump::Step Pump::CopyOrPeek(const Site& site, Transport& source,
                            Transport& target) {
  const size_t size = site.pools->buffers.ReadSize(bulk_);
  return size > 0 ? Copy(site, source, target, size)
                  : Peek(site, source, target);
}

Pump::Step Pump::ReadEnded(Io io, const Transport& source) {
  switch (io) {
    case Io::kEnd:
      end_ = source.error() == 0 ? End::kFin : End::kReset;
      return Step::kMoved;
    case Io::kFailed:
      // The kernel hands out what it has before it reports the error.
      end_ = End::kReset;
      return Step::kMoved;
    case Io::kStarved:
      return Step::kStarved;
    case Io::kBlocked:
    case Io::kMoved:
    case Io::kUnsure:
    case Io::kRefused:
      break;
  }
  return Step::kBlocked;
}

void Pump::CountSent(size_t bytes, RelayPath path, const Site& site) {
  bytes_ += bytes;
  site.counters.sent->Add(bytes);
  site.counters.relayed[static_cast<size_t>(path)].Add(bytes);
}

void Pump::Judge(size_t bytes) {
  const bool change = bulk_ ? bytes < kSmallRead : bytes >= kLargeRead;
  if (!change) {
    streak_ = 0;
  } else if (++streak_ == kStreak) {
    bulk_ = !bulk_;
    streak_ = 0;
  }
}

void Pump::RefuseSplice(const Site& site) {
  site.pools->pipes.Count(SpliceFallback::kRefused);
  refused_ = true;
}

Pump::Step Pump::Copy(const Site& site, Transport& source, Transport& target,
                      size_t size) {
  BufferPool& buffers = site.pools->buffers;
  const std::span<char> scratch = buffers.scratch(size);
  const Transport::IoResult read =
      source.Read(*site.kernel, scratch.data(), scratch.size());
  if (read.io != Io::kMoved) return ReadEnded(read.io, source);
  spliced_ = false;
  site.counters.received->Add(read.bytes);
  Judge(read.bytes);
  const Transport::IoResult write =
      target.Write(*site.kernel, scratch.data(), read.bytes);
  CountSent(write.bytes, RelayPath::kCopy, site);
  if (write.bytes < read.bytes) {
    buffer_ =
        buffers.Borrow(scratch.subspan(write.bytes, read.bytes - write.bytes));
  }
  return write.io == Io::kStarved ? Step::kStarved : Step::kMoved;
}

Pump::Step Pump::Peek(const Site& site, Transport& source, Transport& target) {
  const std::span<char> scratch = site.pools->buffers.scratch();
  const Transport::IoResult read =
      source.Read(*site.kernel, scratch.data(), scratch.size(), /*peek=*/true);
  if (read.io != Io::kMoved) return ReadEnded(read.io, source);
  spliced_ = false;
  Judge(read.bytes);
  const Transport::IoResult write =
      target.Write(*site.kernel, scratch.data(), read.bytes);
  CountSent(write.bytes, RelayPath::kCopy, site);
  owed_ = static_cast<uint32_t>(write.bytes);
  if (write.io == Io::kStarved) return Step::kStarved;
  return owed_ > 0 ? Settle(site, source) : Step::kMoved;
}

Pump::Step Pump::Settle(const Site& site, Transport& source) {
  while (owed_ > 0) {
    const Transport::IoResult read =
        source.Read(*site.kernel, site.pools->buffers.scratch().data(), owed_);
    // The bytes are there, for they were seen; only the kernel's memory may be
    // short. Anything else is a broken source, whose end says so.
    if (read.io == Io::kBlocked || read.io == Io::kStarved) {
      return Step::kStarved;
    }
    if (read.io != Io::kMoved) {
      site.counters.received->Add(owed_);  // it was sent
      owed_ = 0;
      return ReadEnded(read.io, source);
    }
    owed_ -= static_cast<uint32_t>(read.bytes);
    site.counters.received->Add(read.bytes);
  }
  return Step::kMoved;
}

Pump::Step Pump::Flush(const Site& site, Transport& target) {
  const Transport::IoResult write =
      target.Write(*site.kernel, buffer_.data(), buffer_.size());
  Sent(site, write.bytes);
  return write.io == Io::kStarved ? Step::kStarved : Step::kMoved;
}

bool Pump::Prime(const Site& site, Transport& source) {
  BufferPool& buffers = site.pools->buffers;
  // Those that wait for a dead upstream leave the others their buffers.
  if (end_ != End::kOpen || !flushed() || !buffers.HalfFree() ||
      !buffers.Available()) {
    return true;
  }
  const std::span<char> scratch = buffers.scratch();
  const Transport::IoResult read =
      source.Read(*site.kernel, scratch.data(), scratch.size());
  if (read.io != Io::kMoved) {
    ReadEnded(read.io, source);
    return read.io != Io::kBlocked;
  }
  site.counters.received->Add(read.bytes);
  buffer_ = buffers.Borrow(scratch.first(read.bytes));
  return true;
}

void Pump::Sent(const Site& site, size_t bytes) {
  BufferPool& buffers = site.pools->buffers;
  CountSent(bytes, RelayPath::kCopy, site);
  buffers.Consume(&buffer_, bytes);
  if (buffer_.empty()) buffers.Return(&buffer_);
}

void Pump::Abandon(const Site& site) {
  StopReading();
  site.counters.discarded->Add(buffered());
  site.pools->buffers.Return(&buffer_);
  site.pools->pipes.Return(std::move(pipe_));
  // Sent already, so it counts as received; the socket dies with it.
  site.counters.received->Add(owed_);
  owed_ = 0;
}

bool Pump::Discard(const Site& site, Transport& source) {
  const std::span<char> scratch = site.pools->buffers.scratch();
  size_t dropped = 0;
  while (end_ == End::kOpen && source.readable() && dropped < kBudget) {
    const Transport::IoResult read =
        source.Read(*site.kernel, scratch.data(), scratch.size());
    if (read.io != Io::kMoved) {
      ReadEnded(read.io, source);
      break;
    }
    dropped += read.bytes;
    site.counters.received->Add(read.bytes);
    site.counters.discarded->Add(read.bytes);
  }
  return dropped > 0;
}

void Pump::Disown(RelayPools& pools) const {
  pools.buffers.Disown(buffer_);
  pools.pipes.Disown(pipe_);
}

void Pump::Adopt(RelayPools& pools) const {
  pools.buffers.Adopt(buffer_);
  pools.pipes.Adopt(pipe_);
}

}  // namespace weir
