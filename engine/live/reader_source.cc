#include "engine/live/reader_source.h"

#include <exception>

#include "ring/capture_program.h"

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
void ReaderSource::reject_all() noexcept {
  rejecting_ = true;
  try {
    socket().set_filter(ring::reject_all());
  } catch (const std::exception&) {
    // If the kernel refuses the program, packets are still read, until a deadline or a lull.
  }
}

void ReaderSource::exchange() noexcept {
  // The old interface may still exist under another name.
  if (!rejecting_) reject_all();
  if (cursor_.fill(socket().ring()) || !drained()) return;
  past_ += socket().take_statistics();
  static_cast<void>(source_.pick_up());
  rejecting_ = false;
}

}  // namespace tcpeek::engine
