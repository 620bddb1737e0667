// Tells outcomes as they happen: live lines on standard error, or JSON lines on standard output.
//
// Outcomes of all readers that are there at one look are told in the order of their time.
//
// Thread contract: the reactor's thread.
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
#include "ipc/outcome_event.h"

namespace tcpeek::engine {

class Reporter {
 public:
  static constexpr std::size_t kMostAtOnce = 65536;

  // The name of an interface by the 16 bits of its index that an attempt keeps.
  using InterfaceName = std::function<std::string(std::uint16_t)>;

  Reporter(OutputFormat format, LineWriter& standard_error, LineWriter& standard_output,
           const FilterRegistry& filters, InterfaceName interface_name);

  void begin();
  // Tells what waits in the readers' queues, `most` at once. True: there may be more.
  bool tell(std::span<OutcomeQueue* const> queues, std::size_t most = kMostAtOnce);
  // The same in two steps: what several looks gather is told in one order. True: enough for once.
  bool gather(std::span<OutcomeQueue* const> queues, std::size_t most = kMostAtOnce);
  void tell_gathered();

 private:
  struct Gathered {
    OutcomeRecord record;
    std::vector<FilterId> filters;  // unless text is printed, which does not show them
  };

  [[nodiscard]] ipc::OutcomeEvent to_event(const Gathered& gathered) const;

  OutputFormat format_;
  LineWriter& standard_error_;
  LineWriter& standard_output_;
  const FilterRegistry& filters_;
  InterfaceName interface_name_;
  bool colour_;
  std::vector<Gathered> gathered_;
};

}  // namespace tcpeek::engine
