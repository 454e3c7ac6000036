// Public. The calls of POSIX asynchronous I/O (aio(7)), so that a test can make
// each of them fail.
//
// glibc does them in threads of its own, at most kThreads here, with all
// signals blocked; those of one descriptor one after another, in the order of
// their submission.

#ifndef REACTOR_ASYNC_FILE_AIO_CALLS_H_
#define REACTOR_ASYNC_FILE_AIO_CALLS_H_

#include <aio.h>
#include <sys/types.h>

#include <span>

namespace weir {

// Thread-safe. Submissions return 0 or an errno; a request that was submitted
// and its buffer must stay where they are until Error() says something else
// than EINPROGRESS.
class AioCalls {
 public:
  // A thread that hangs in one file must leave others for the rest.
  static constexpr int kThreads = 4;

  virtual ~AioCalls() = default;

  // aio_read(3), aio_write(3).
  virtual int Read(aiocb* request) = 0;
  virtual int Write(aiocb* request) = 0;
  // aio_fsync(3): `operation` is O_SYNC or O_DSYNC.
  virtual int Sync(int operation, aiocb* request) = 0;
  // lio_listio(3) without waiting: each request's aio_lio_opcode says what it
  // is. After an error some may have been submitted.
  virtual int List(std::span<aiocb*> requests) = 0;
  // aio_error(3): 0, EINPROGRESS or the errno of the request.
  virtual int Error(const aiocb* request) = 0;
  // aio_return(3): once for each request that is over.
  virtual ssize_t Return(aiocb* request) = 0;
  // aio_cancel(3) of all requests of a descriptor: those that have not begun.
  virtual void Cancel(int fd) = 0;

  // glibc's. Never destroyed.
  static AioCalls& Real();
};

}  // namespace weir

#endif  // REACTOR_ASYNC_FILE_AIO_CALLS_H_
