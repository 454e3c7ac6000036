#include "reactor/thread_usage.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "reactor/fd.h"

namespace weir {
namespace {

class KernelUsage final : public ThreadUsage {
 public:
  KernelUsage()
      : clock_(ThreadCpuClock::OfThisThread()),
        schedstat_(::open(
            absl::StrCat("/proc/self/task/", ::gettid(), "/schedstat").c_str(),
            O_RDONLY | O_CLOEXEC)) {}

  Usage Read() override {
    // What this call reads is what it returns: another one may run.
    Usage usage{Duration(cpu_.load()), Duration(run_delay_.load())};
    if (const auto cpu = clock_.Now()) {
      usage.cpu = *cpu;
      cpu_.store(cpu->count());
    }
    // "123 45 6": nanoseconds run, nanoseconds waited, slices.
    std::array<char, 80> text;
    const ssize_t size =
        schedstat_ ? ::pread(schedstat_.get(), text.data(), text.size(), 0)
                   : -1;
    const std::string_view line(text.data(), size > 0 ? size : 0);
    const size_t space = line.find(' ');
    int64_t delay = 0;
    if (space != line.npos &&
        std::from_chars(line.begin() + space + 1, line.end(), delay).ec ==
            std::errc()) {
      usage.run_delay = Duration(delay);
      run_delay_.store(delay);
    }
    return usage;
  }

 private:
  const ThreadCpuClock clock_;
  const UniqueFd schedstat_;
  // Any thread: what was read last.
  std::atomic<int64_t> cpu_{0};
  std::atomic<int64_t> run_delay_{0};
};

}  // namespace

std::unique_ptr<ThreadUsage> ThreadUsage::OfThisThread() {
  return std::make_unique<KernelUsage>();
}

}  // namespace weir
