// Tells outcomes as they happen: live lines on standard error, or JSON lines on standard output.
//
// Outcomes of all readers that are there at one look are told in the order of their time.
//
// Thread contract: the reactor's thread.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/filter_matcher.h"
#include "engine/interfaces.h"
#include "engine/line_writer.h"
#include "engine/options.h"
#include "engine/shard.h"
#include "ipc/outcome_event.h"

namespace tcpeek::engine {

class Reporter {
 public:
  Reporter(OutputFormat format, LineWriter& standard_error, LineWriter& standard_output,
           const FilterMatcher& matcher, const Interfaces& interfaces);

  void begin();
  // Tells what waits in the readers' queues.
  void tell(std::span<const std::unique_ptr<Shard>> shards);

 private:
  [[nodiscard]] ipc::OutcomeEvent to_event(const Outcome& outcome) const;

  OutputFormat format_;
  LineWriter& standard_error_;
  LineWriter& standard_output_;
  const FilterMatcher& matcher_;
  const Interfaces& interfaces_;
  bool colour_;
  std::vector<Outcome> gathered_;
};

}  // namespace tcpeek::engine
