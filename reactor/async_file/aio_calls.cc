#include "reactor/async_file/aio_calls.h"

#include <errno.h>

namespace weir {
namespace {

class GlibcAioCalls final : public AioCalls {
 public:
  GlibcAioCalls() {
    // It counts only before the first request of the process.
    aioinit init{};
    init.aio_threads = kThreads;
    init.aio_num = 64;
    // Seconds that an idle thread stays: longer than the second of the default,
    // for a log that is written now and then.
    init.aio_idle_time = 60;
    aio_init(&init);
  }

  int Read(aiocb* request) override {
    return aio_read(request) == 0 ? 0 : errno;
  }
  int Write(aiocb* request) override {
    return aio_write(request) == 0 ? 0 : errno;
  }
  int Sync(int operation, aiocb* request) override {
    return aio_fsync(operation, request) == 0 ? 0 : errno;
  }
  int List(std::span<aiocb*> requests) override {
    return lio_listio(LIO_NOWAIT, requests.data(),
                      static_cast<int>(requests.size()), nullptr) == 0
               ? 0
               : errno;
  }
  int Error(const aiocb* request) override { return aio_error(request); }
  ssize_t Return(aiocb* request) override { return aio_return(request); }
  void Cancel(int fd) override { aio_cancel(fd, nullptr); }
};

}  // namespace

AioCalls& AioCalls::Real() {
  static auto* const calls = new GlibcAioCalls;
  return *calls;
}

}  // namespace weir
