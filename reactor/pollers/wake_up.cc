#include "reactor/pollers/wake_up.h"

#include <errno.h>
#include <sys/eventfd.h>

#include <cstdint>

#include "glog/logging.h"

namespace weir {

WakeUp::WakeUp()
    : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      error_(fd_.valid() ? 0 : errno) {}

void WakeUp::Signal() {
  // A reader-modify-writer on both sides: the loop's exchange in Seen() reads
  // from this one or a later one, so it sees what was written before it.
  if (signalled_.exchange(true, std::memory_order_acq_rel)) return;
  // Cannot block: it would take 2^64 - 2 writes.
  PCHECK(eventfd_write(fd_.get(), 1) == 0) << "eventfd";
}

void WakeUp::Seen() { signalled_.exchange(false, std::memory_order_acq_rel); }

void WakeUp::Drain() {
  // The read comes first: after Seen(), it could take a newer write away, and
  // with the flag set nobody would ever write again.
  eventfd_t count = 0;
  PCHECK(eventfd_read(fd_.get(), &count) == 0 || errno == EAGAIN) << "eventfd";
  Seen();
}

}  // namespace weir
