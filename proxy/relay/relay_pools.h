// Public. Where the sessions of one reactor put bytes that are on their way.

#ifndef PROXY_RELAY_RELAY_POOLS_H_
#define PROXY_RELAY_RELAY_POOLS_H_

#include <cstddef>

#include "proxy/relay/buffer_pool.h"
#include "proxy/relay/pipe_pool.h"

namespace weir {

// Loop thread only.
struct RelayPools {
  RelayPools(size_t buffer_memory, const PipePool::Options& options)
      : buffers(buffer_memory), pipes(options) {}

  BufferPool buffers;
  PipePool pipes;
};

}  // namespace weir

#endif  // PROXY_RELAY_RELAY_POOLS_H_
