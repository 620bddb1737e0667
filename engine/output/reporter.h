// Prints outcomes as they happen: live lines on standard error, or JSON lines on standard output.
//
// The outcomes of all readers that are queued at one time are printed in the order of their time. On a
// terminal the lines tell more (output/terminal_line.h); elsewhere they are the original's.
//
// Thread contract: reactor thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/base/output_format.h"
#include "engine/filters/filter_registry.h"
#include "engine/filters/outcome_choice.h"
#include "engine/output/line_writer.h"
#include "engine/pipeline/outcome_queue.h"
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

  // The name of an interface by the 16 bits of its index that an attempt keeps.
  using InterfaceName = std::function<std::string(std::uint16_t)>;

  Reporter(const ReporterConfig& config, LineWriter& standard_error, LineWriter& standard_output,
           const FilterRegistry& filters, InterfaceName interface_name);

  void begin();
  // From the next outcome on.
  void show(const OutcomeChoice& only) noexcept { config_.only = only; }
  // Whether as many as are wanted have been shown.
  [[nodiscard]] bool done() const noexcept { return config_.count && shown_ >= *config_.count; }
  // Prints what the readers' queues hold, `most` outcomes at once. True: there may be more.
  bool print(std::span<OutcomeQueue* const> queues, std::size_t most = kMaxBatch);
  // The same in two steps, to sort what is collected by several calls. True: the batch is full, or a
  // queue may hold more.
  bool collect(std::span<OutcomeQueue* const> queues, std::size_t most = kMaxBatch);
  void print_collected();

 private:
  struct Collected {
    OutcomeRecord record;
    std::vector<FilterId> filters;  // empty for text, which does not show them
  };

  [[nodiscard]] ipc::OutcomeEvent to_event(const Collected& collected) const;

  [[nodiscard]] std::string line_of(const Collected& collected) const;

  ReporterConfig config_;
  std::uint64_t shown_ = 0;
  LineWriter& standard_error_;
  LineWriter& standard_output_;
  const FilterRegistry& filters_;
  InterfaceName interface_name_;
  bool colour_;
  std::vector<Collected> collected_;
};

}  // namespace tcpeek::engine
