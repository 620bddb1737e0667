#include "engine/live/reader_source.h"

namespace tcpeek::engine {

ring::SocketStatistics ReaderSource::statistics() noexcept {
  ring::SocketStatistics all = past_;
  all += socket().statistics();
  return all;
}

bool ReaderSource::drained() noexcept {
  const ring::SocketStatistics counted = statistics();
  return counted.seen - counted.dropped <= delivered();
}

// The kernel hands over what is left of a dead socket's last block when the block retires, long
// before links have settled and another socket is offered.
void ReaderSource::exchange() noexcept {
  if (cursor_.fill(socket().ring()) || !drained()) return;
  past_ += socket().take_statistics();
  static_cast<void>(source_.pick_up());
}

}  // namespace tcpeek::engine
