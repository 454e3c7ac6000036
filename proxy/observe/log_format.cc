#include "proxy/observe/log_format.h"

#include <ctime>

#include "absl/strings/str_format.h"
#include "proxy/observe/escape.h"

namespace weir {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
constexpr int64_t kNanosPerMilli = 1'000'000;

}  // namespace

void LogFormatter::AppendTime(int64_t wall_nanos, std::string* out) {
  int64_t second = wall_nanos / kNanosPerSecond;
  int64_t rest = wall_nanos % kNanosPerSecond;
  if (rest < 0) {  // before 1970
    rest += kNanosPerSecond;
    --second;
  }
  if (second != second_) {
    const std::time_t time = second;
    std::tm local{};
    localtime_r(&time, &local);
    text_ = absl::StrFormat("%02d:%02d:%02d", local.tm_hour, local.tm_min,
                            local.tm_sec);
    second_ = second;
  }
  absl::StrAppendFormat(out, "%s.%03d ", text_, rest / kNanosPerMilli);
}

void LogFormatter::Append(const LogRecord& record, std::string* out) {
  if (record.wall_nanos != LogRecord::kNoTime) {
    AppendTime(record.wall_nanos, out);
  }
  AppendEscaped(record.text, out);
  out->push_back('\n');
}

}  // namespace weir
