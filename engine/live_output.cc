#include "engine/live_output.h"

#include <utility>

namespace tcpeek::engine {
namespace {

// Takes a few milliseconds to print.
constexpr std::size_t kBatch = 2048;

}  // namespace

LiveOutput::LiveOutput(ipc::Reactor& reactor, Readers& readers, Reporter& reporter,
                       Watchers& watchers, Writers writers, bool listening)
    : reactor_(reactor),
      readers_(readers),
      reporter_(reporter),
      watchers_(watchers),
      writers_(writers),
      listening_(listening) {}

void LiveOutput::watch(std::function<bool()> ended) {
  ended_ = std::move(ended);
  for (std::size_t i = 0; i < readers_.size(); ++i) {
    reactor_.on_readable(readers_[i].outcomes_descriptor(), [this, i] {
      readers_[i].take_notice();
      on_outcomes();
    });
  }
  reactor_.when_idle([this] { flush(); });
}

void LiveOutput::on_outcomes() {
  if (std::exchange(print_due_, true)) return;
  reactor_.after(kInterval, [this] {
    print_due_ = false;
    for (std::size_t i = 0; i < readers_.size(); ++i) readers_[i].take_notice();
    if (listening_ && !printing_) print();
    if (ended_()) reactor_.stop();
  });
}

// One batch at a time, so that clients need not wait for all of it.
void LiveOutput::print() {
  printing_ = reporter_.print(readers_.outcomes(), kBatch);
  watchers_.wake();
  if (ended_()) return reactor_.stop();
  if (printing_) reactor_.post([this] { print(); });
}

// Again and again while what reads it is too slow.
void LiveOutput::flush() {
  writers_.standard_error.flush();
  writers_.standard_output.flush();
  const bool flushed = writers_.standard_error.flushed() && writers_.standard_output.flushed();
  if (flushed || std::exchange(flush_due_, true)) return;
  reactor_.after(kInterval, [this] { flush_due_ = false; });
}

void LiveOutput::finish() {
  while (listening_ && reporter_.print(readers_.outcomes())) {
  }
  watchers_.wake();
}

}  // namespace tcpeek::engine
