// Tells of outcomes as they happen: by live lines on standard error, by JSON lines on standard output, and to
// the log of events.
//
// The outcomes of all readers that are queued at one time are told in the order of their time. On a terminal
// lines tell more (output/terminal_line.h); elsewhere they are the original's. Each outcome gets its number in
// the log, and is formatted as JSON once, if anybody wants that.
//
// Thread contract: reactor thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/base/output_format.h"
#include "engine/filters/filter_registry.h"
#include "engine/filters/outcome_choice.h"
#include "engine/output/line_writer.h"
#include "engine/output/outcome_events.h"
#include "engine/output/recent_failures.h"
#include "engine/output/redactor.h"
#include "engine/pipeline/outcome_queue.h"
#include "ipc/event_log.h"
#include "ipc/failure_examples.h"
#include "ipc/outcome_event.h"

namespace tcpeek::engine {

struct ReporterConfig {
  OutputFormat format = OutputFormat::text;
  ColourMode colour = ColourMode::automatic;
  OutcomeChoice only{};                               // that are shown, and counted for `count`
  std::optional<std::uint64_t> count = std::nullopt;  // shows no more than so many
  bool quiet = false;                                 // counts them, and prints none
};

class Reporter {
 public:
  static constexpr std::size_t kMaxBatch = 65536;

  // Without a log outcomes have no numbers.
  Reporter(const ReporterConfig& config, LineWriter& standard_error, LineWriter& standard_output,
           const FilterRegistry& filters, OutcomeEvents::InterfaceName interface_name,
           ipc::EventLog* log = nullptr);

  // Each failure is noted in `examples`, which outlives this.
  void keep(ipc::FailureExamples& examples) { examples_ = &examples; }

  // Addresses are told as numbers; outlives this.
  void redact(Redactor& redactor) { redactor_ = &redactor; }
  // The same as keep() of the JSON lines of failures.
  void keep(RecentFailures& failures) { failures_ = &failures; }

  void begin();
  // From the next outcome on.
  void show(const OutcomeChoice& only) noexcept { config_.only = only; }
  // Whether as many as are wanted have been shown.
  [[nodiscard]] bool done() const noexcept { return config_.count && shown_ >= *config_.count; }
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

  [[nodiscard]] bool prints(OutputFormat format) const noexcept {
    return !config_.quiet && config_.format == format;
  }
  [[nodiscard]] bool wants_json() const noexcept;
  [[nodiscard]] bool wants_names() const noexcept { return examples_ != nullptr || wants_json(); }
  void tell(const Collected& collected);
  [[nodiscard]] std::string text_line(const OutcomeRecord& record) const;
  void tell_as_json(const Collected& collected, const ipc::OutcomeEvent& event, bool shown);

  ReporterConfig config_;
  std::uint64_t shown_ = 0;
  LineWriter& standard_error_;
  LineWriter& standard_output_;
  OutcomeEvents events_;
  ipc::EventLog* log_;
  bool colour_;
  ipc::FailureExamples* examples_ = nullptr;
  RecentFailures* failures_ = nullptr;
  Redactor* redactor_ = nullptr;
  std::vector<Collected> collected_;
  std::string line_;  // the last one
};

}  // namespace tcpeek::engine
