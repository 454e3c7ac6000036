#include "tests/bench/file_writes/line_log.h"

#include <chrono>
#include <string>
#include <string_view>

#include "reactor/callback_kind.h"

namespace weir {
namespace {

// Of a line a time, too: it looks whether it is finished.
constexpr Duration kTick = std::chrono::milliseconds(10);

constexpr std::string_view kBegin = "{\"line\": \"";
constexpr size_t kDigits = 12;
constexpr std::string_view kRest =
    "\", \"time\": \"2026-01-01T00:00:00.000Z\", \"forward\": \"echo\", "
    "\"client\": \"127.0.0.1:50212\", \"upstream\": \"127.0.0.1:5432\", "
    "\"up\": 64, \"down\": 64, \"seconds\": 0.000123, \"reason\": "
    "\"client_fin\", \"pad\": \"";
constexpr std::string_view kEnd = "\"}\n";

}  // namespace

LineLog::LineLog(Reactor* reactor, LineSink* sink, Duration every)
    : reactor_(*reactor), sink_(*sink), every_(every) {
  line_.append(kBegin).append(kDigits, '0').append(kRest);
  line_.append(kLineBytes - kEnd.size() - line_.size(), '.').append(kEnd);
  for (std::string* const buffer : {&waiting_, &under_way_}) {
    buffer->assign(kMostBytes, '\0');  // so that it is there
    buffer->clear();
  }
  reactor_.Schedule(this, reactor_.clock().Now());
}

void LineLog::Add() {
  const uint64_t number = logged_.Value();
  logged_.Add();
  if (waiting_.size() + under_way_bytes_ + kLineBytes > kMostBytes) {
    dropped_.Add();
    return;
  }
  uint64_t left = number;
  for (size_t i = kDigits; i-- > 0; left /= 10) {
    line_[kBegin.size() + i] = static_cast<char>('0' + left % 10);
  }
  waiting_.append(line_);
  if (every_ == Duration::zero()) Flush();
}

void LineLog::Flush() {
  if (sink_.busy()) return;
  written_.Add(under_way_bytes_ / kLineBytes);
  under_way_.clear();
  under_way_bytes_ = 0;
  if (waiting_.empty()) return;
  waiting_.swap(under_way_);
  under_way_bytes_ = under_way_.size();
  sink_.Write(&under_way_);
  if (every_ == Duration::zero()) Flush();
}

void LineLog::OnTimer() noexcept {
  reactor_.Describe(CallbackKind::kFile, {});
  Flush();
  if (finishing_ && waiting_.empty() && under_way_bytes_ == 0) {
    reactor_.Stop();
  } else {
    reactor_.Schedule(
        this, reactor_.Now() + (every_ == Duration::zero() ? kTick : every_));
  }
}

}  // namespace weir
