// Prints outcomes as they happen: live lines on standard error, or JSON lines on standard output.
//
// The outcomes of all readers that are queued at one time are printed in the order of their time.
//
// Thread contract: reactor thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/base/output_format.h"
#include "engine/filters/filter_registry.h"
#include "engine/output/line_writer.h"
#include "engine/pipeline/outcome_queue.h"
#include "ipc/failure_examples.h"
#include "ipc/outcome_event.h"

namespace tcpeek::engine {

class Reporter {
 public:
  static constexpr std::size_t kMaxBatch = 65536;

  // The name of an interface by the 16 bits of its index that an attempt keeps.
  using InterfaceName = std::function<std::string(std::uint16_t)>;

  Reporter(OutputFormat format, LineWriter& standard_error, LineWriter& standard_output,
           const FilterRegistry& filters, InterfaceName interface_name);

  // Outcomes are printed no more, only noted.
  void be_quiet() { quiet_ = true; }
  // Each failure is noted in `examples`, which outlives this.
  void keep(ipc::FailureExamples& examples) { examples_ = &examples; }

  void begin();
  // Prints what the readers' queues hold, `most` outcomes at once. True: there may be more.
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

  [[nodiscard]] bool sees_filters() const noexcept {
    return format_ == OutputFormat::json || examples_ != nullptr;
  }
  [[nodiscard]] ipc::OutcomeEvent to_event(const Collected& collected) const;

  OutputFormat format_;
  LineWriter& standard_error_;
  LineWriter& standard_output_;
  const FilterRegistry& filters_;
  InterfaceName interface_name_;
  bool colour_;
  bool quiet_ = false;
  ipc::FailureExamples* examples_ = nullptr;
  std::vector<Collected> collected_;
};

}  // namespace tcpeek::engine
