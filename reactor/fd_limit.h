// Public. How many descriptors this process may open.

#ifndef REACTOR_FD_LIMIT_H_
#define REACTOR_FD_LIMIT_H_

#include <cstdint>

namespace weir {

// Raises the soft limit of open descriptors (RLIMIT_NOFILE) to the hard one,
// for admission counts in it. Returns the limit that holds now; 0 where it
// cannot be read. At start, before anything is admitted.
int64_t RaiseFdLimit();

}  // namespace weir

#endif  // REACTOR_FD_LIMIT_H_
