// Public. Ownership of a file descriptor.

#ifndef REACTOR_FD_H_
#define REACTOR_FD_H_

#include <utility>

#include "reactor/kernel.h"

namespace weir {

// Owns one descriptor and closes it through its kernel. Movable; as thread-safe
// as an int.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd, Kernel& kernel = Kernel::Real())
      : fd_(fd), kernel_(&kernel) {}
  UniqueFd(UniqueFd&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), kernel_(other.kernel_) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = std::exchange(other.fd_, -1);
      kernel_ = other.kernel_;
    }
    return *this;
  }
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  explicit operator bool() const { return valid(); }

  // Gives the descriptor up without closing it.
  int Release() { return std::exchange(fd_, -1); }

  // Closes now.
  void Reset() {
    if (fd_ >= 0) kernel_->Close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
  Kernel* kernel_ = nullptr;
};

}  // namespace weir

#endif  // REACTOR_FD_H_
