// Internal to tests/bench/file_writes. write(2) until all is written.

#ifndef TESTS_BENCH_FILE_WRITES_WRITE_ALL_H_
#define TESTS_BENCH_FILE_WRITES_WRITE_ALL_H_

#include <string>
#include <string_view>

namespace weir {

// Any thread; blocks.
void WriteAll(int fd, std::string_view bytes);

// Says so and ends the program.
[[noreturn]] void WriteFailed(const std::string& why);

}  // namespace weir

#endif  // TESTS_BENCH_FILE_WRITES_WRITE_ALL_H_
