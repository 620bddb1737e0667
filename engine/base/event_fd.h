// An eventfd: wakes a thread that is blocked in poll().
//
// Thread contract: any thread may notify; one waits and clears.
// Errors: the constructor throws std::system_error naming eventfd.
#pragma once

#include "ring/descriptor.h"

namespace tcpeek::engine {

class EventFd {
 public:
  EventFd();
  void notify() const noexcept;
  void clear() const noexcept;
  [[nodiscard]] int descriptor() const noexcept { return fd_.get(); }

 private:
  ring::Descriptor fd_;
};

}  // namespace tcpeek::engine
