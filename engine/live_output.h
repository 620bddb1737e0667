// What is printed while it runs: outcomes some time after a reader has queued the first, so that those of all
// readers are told in order; and text that could not be written at once, until it is.
//
// While nothing happens nothing is done: there is no timer that only looks.
//
// Thread contract: the reactor's thread. What it is given outlives it.
#pragma once

#include <chrono>
#include <functional>

#include "engine/live/readers.h"
#include "engine/output/line_writer.h"
#include "engine/output/reporter.h"
#include "engine/serve/watchers.h"
#include "ipc/reactor.h"

namespace tcpeek::engine {

class LiveOutput {
 public:
  static constexpr std::chrono::milliseconds kInterval{100};

  struct Writers {
    LineWriter& standard_error;
    LineWriter& standard_output;
  };

  // `listening`: readers queue outcomes from the start.
  LiveOutput(ipc::Reactor& reactor, Readers& readers, Reporter& reporter, Watchers& watchers,
             Writers writers, bool listening);

  // From now on. `ended`: whether nothing more is to be printed; then the reactor is stopped.
  void watch(std::function<bool()> ended);
  // Whether outcomes are queued.
  void listen(bool listening) noexcept { listening_ = listening; }
  // More outcomes are queued than were told.
  [[nodiscard]] bool printing() const noexcept { return printing_; }
  // All that is queued, when the readers have ended.
  void finish();

 private:
  void on_outcomes();
  void print();
  void flush();

  ipc::Reactor& reactor_;
  Readers& readers_;
  Reporter& reporter_;
  Watchers& watchers_;
  const Writers writers_;
  std::function<bool()> ended_;
  bool listening_;
  bool print_due_ = false;  // within kInterval
  bool printing_ = false;
  bool flush_due_ = false;
};

}  // namespace tcpeek::engine
