#include "proxy/relay/pump.h"

#include <algorithm>
#include <span>

namespace weir {

using Io = Transport::Io;

Pump::Outcome Pump::Run(Kernel& kernel, BufferPool& pool, Transport& source,
                        Transport& target, const Counters& counters,
                        bool last) {
  const uint64_t limit = bytes_ + kBudget;
  for (;;) {
    Step step = Step::kMoved;
    if (owed_ > 0) {
      step = Settle(kernel, pool, source, counters);
    } else if (!buffer_.empty()) {
      if (!target.writable()) return Outcome::kWaiting;
      step = Flush(kernel, pool, target, counters);
    } else if (end_ != End::kOpen) {
      if (end_ == End::kFin && !fin_sent_) {
        fin_sent_ = true;
        if (!last) target.ShutdownWrite(kernel);
      }
      return Outcome::kWaiting;
    } else if (!source.readable() || !target.writable()) {
      return Outcome::kWaiting;
    } else if (bytes_ >= limit) {
      return Outcome::kYielded;
    } else {
      step = Move(kernel, pool, source, target, counters);
    }
    if (step == Step::kStarved) return Outcome::kStarved;
    // A target that failed may have taken the bytes, but nobody will read them.
    if (target.error() != 0) {
      Abandon(pool, counters);
      return Outcome::kWaiting;
    }
  }
}

Pump::Step Pump::Move(Kernel& kernel, BufferPool& pool, Transport& source,
                      Transport& target, const Counters& counters) {
  return pool.Available() ? Copy(kernel, pool, source, target, counters)
                          : Peek(kernel, pool, source, target, counters);
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
      break;
  }
  return Step::kBlocked;
}

void Pump::CountSent(size_t bytes, const Counters& counters) {
  bytes_ += bytes;
  counters.sent->Add(bytes);
  counters.copied->Add(bytes);
}

Pump::Step Pump::Copy(Kernel& kernel, BufferPool& pool, Transport& source,
                      Transport& target, const Counters& counters) {
  const std::span<char> scratch = pool.scratch();
  const Transport::IoResult read =
      source.Read(kernel, scratch.data(), scratch.size());
  if (read.io != Io::kMoved) return ReadEnded(read.io, source);
  counters.received->Add(read.bytes);
  const Transport::IoResult write =
      target.Write(kernel, scratch.data(), read.bytes);
  CountSent(write.bytes, counters);
  if (write.bytes < read.bytes) {
    buffer_ =
        pool.Borrow(scratch.subspan(write.bytes, read.bytes - write.bytes));
  }
  return write.io == Io::kStarved ? Step::kStarved : Step::kMoved;
}

Pump::Step Pump::Peek(Kernel& kernel, BufferPool& pool, Transport& source,
                      Transport& target, const Counters& counters) {
  const std::span<char> scratch = pool.scratch();
  const Transport::IoResult read =
      source.Read(kernel, scratch.data(), scratch.size(), /*peek=*/true);
  if (read.io != Io::kMoved) return ReadEnded(read.io, source);
  const Transport::IoResult write =
      target.Write(kernel, scratch.data(), read.bytes);
  CountSent(write.bytes, counters);
  owed_ = static_cast<uint32_t>(write.bytes);
  if (write.io == Io::kStarved) return Step::kStarved;
  return owed_ > 0 ? Settle(kernel, pool, source, counters) : Step::kMoved;
}

Pump::Step Pump::Settle(Kernel& kernel, BufferPool& pool, Transport& source,
                        const Counters& counters) {
  while (owed_ > 0) {
    const Transport::IoResult read =
        source.Read(kernel, pool.scratch().data(), owed_);
    // The bytes are there, for they were seen; only the kernel's memory may be
    // short. Anything else is a broken source, whose end says so.
    if (read.io == Io::kBlocked || read.io == Io::kStarved) {
      return Step::kStarved;
    }
    if (read.io != Io::kMoved) {
      counters.received->Add(owed_);  // it was sent
      owed_ = 0;
      return ReadEnded(read.io, source);
    }
    owed_ -= static_cast<uint32_t>(read.bytes);
    counters.received->Add(read.bytes);
  }
  return Step::kMoved;
}

Pump::Step Pump::Flush(Kernel& kernel, BufferPool& pool, Transport& target,
                       const Counters& counters) {
  const Transport::IoResult write =
      target.Write(kernel, buffer_.data(), buffer_.size());
  CountSent(write.bytes, counters);
  pool.Consume(&buffer_, write.bytes);
  if (buffer_.empty()) pool.Return(&buffer_);
  return write.io == Io::kStarved ? Step::kStarved : Step::kMoved;
}

void Pump::Abandon(BufferPool& pool, const Counters& counters) {
  StopReading();
  counters.discarded->Add(buffer_.size());
  pool.Return(&buffer_);
  // Sent already, so it counts as received; the socket dies with it.
  counters.received->Add(owed_);
  owed_ = 0;
}

bool Pump::Discard(Kernel& kernel, BufferPool& pool, Transport& source,
                   const Counters& counters) {
  const std::span<char> scratch = pool.scratch();
  size_t dropped = 0;
  while (end_ == End::kOpen && source.readable() && dropped < kBudget) {
    const Transport::IoResult read =
        source.Read(kernel, scratch.data(), scratch.size());
    if (read.io != Io::kMoved) {
      ReadEnded(read.io, source);
      break;
    }
    dropped += read.bytes;
    counters.received->Add(read.bytes);
    counters.discarded->Add(read.bytes);
  }
  return dropped > 0;
}

}  // namespace weir
