#include "proxy/observe/access_log/access_sink.h"

#include <utility>

namespace weir {

AccessSink::AccessSink(Options options)
    : options_(std::move(options)), ring_(options_.ring_bytes) {}

void AccessSink::Line(AccessRecord record) {
  record.wall_nanos = options_.clock->WallNanos();
  line_.clear();
  AppendAccessLine(options_.format, record, &line_);
  if (!ring_.Push(record.wall_nanos, line_)) {
    dropped_.Add();
    return;
  }
  if (sleeping_.load(std::memory_order_seq_cst) &&
      sleeping_.exchange(false, std::memory_order_seq_cst)) {
    options_.wake();
  }
}

size_t AccessSink::Take(size_t most, std::string* batch) {
  size_t lines = 0;
  while (batch->size() < most && ring_.Pop(&record_)) {
    *batch += record_.text;
    ++lines;
  }
  return lines;
}

bool AccessSink::Sleep() {
  sleeping_.store(true, std::memory_order_seq_cst);
  if (ring_.empty()) return true;
  // Unless the producer has woken the reader by now.
  return !sleeping_.exchange(false, std::memory_order_seq_cst);
}

}  // namespace weir
