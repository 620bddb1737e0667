// Tells of outcomes as they happen: by live lines on standard error, by JSON lines on standard output, and to
// the log of events.
//
// The outcomes of all readers that are queued at one time are told in the order of their time. Each gets its
// number in the log, and is formatted as JSON once, if anybody wants that.
//
// Thread contract: reactor thread only.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "engine/base/output_format.h"
#include "engine/filters/filter_registry.h"
#include "engine/output/line_writer.h"
#include "engine/output/outcome_events.h"
#include "engine/pipeline/outcome_queue.h"
#include "ipc/event_log.h"
#include "ipc/failure_examples.h"
#include "ipc/outcome_event.h"

namespace tcpeek::engine {

class Reporter {
 public:
  static constexpr std::size_t kMaxBatch = 65536;

  // Without a format nothing is printed; without a log outcomes have no numbers.
  Reporter(std::optional<OutputFormat> format, LineWriter& standard_error,
           LineWriter& standard_output, const FilterRegistry& filters,
           OutcomeEvents::InterfaceName interface_name, ipc::EventLog* log = nullptr);

  // Each failure is noted in `examples`, which outlives this.
  void keep(ipc::FailureExamples& examples) { examples_ = &examples; }

  void begin();
  // Tells what the readers' queues hold, `most` outcomes at once. True: there may be more.
  bool print(std::span<OutcomeQueue* const> queues, std::size_t most = kMaxBatch);
  // The same in two steps, to sort what is collected by several calls. True: the batch is full, or a
  // queue may hold more.
  bool collect(std::span<OutcomeQueue* const> queues, std::size_t most = kMaxBatch);
  void print_collected();

 private:
  struct Collected {
    OutcomeRecord record;
    std::vector<FilterId> filters;  // empty where nobody sees them
  };

  [[nodiscard]] bool wants_json() const noexcept;
  [[nodiscard]] bool wants_names() const noexcept { return examples_ != nullptr || wants_json(); }
  void tell(const Collected& collected);
  void tell_as_json(const Collected& collected, const ipc::OutcomeEvent& event);

  std::optional<OutputFormat> format_;
  LineWriter& standard_error_;
  LineWriter& standard_output_;
  OutcomeEvents events_;
  ipc::EventLog* log_;
  bool colour_;
  ipc::FailureExamples* examples_ = nullptr;
  std::vector<Collected> collected_;
};

}  // namespace tcpeek::engine
