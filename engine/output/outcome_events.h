// Outcomes as the readers queue them, made into events: numbers become names.
//
// Filters' names are shared by all events of the same filters, as these are few; what is shared is dropped
// when filters are exchanged.
//
// Thread contract: reactor thread only. Bounds: kMostShared sets of names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/filters/filter_registry.h"
#include "engine/pipeline/outcome_queue.h"
#include "ipc/event_kind.h"
#include "ipc/outcome_event.h"

namespace tcpeek::engine {

[[nodiscard]] ipc::EventKind kind_of(flowtable::Cause cause) noexcept;

// OpenTelemetry's `error.type`: what connect() would have told the initiator; empty if it did not fail.
[[nodiscard]] std::string_view error_type(const OutcomeRecord& outcome) noexcept;

class OutcomeEvents {
 public:
  static constexpr std::size_t kMostShared = 1024;

  // The name of an interface by the 16 bits of its index that an attempt keeps.
  using InterfaceName = std::function<std::string(std::uint16_t)>;

  OutcomeEvents(const FilterRegistry& filters, InterfaceName interface_name)
      : filters_(filters), interface_name_(std::move(interface_name)) {}

  // All but the names of interface and filters: enough for a line of text.
  [[nodiscard]] static ipc::OutcomeEvent brief(const OutcomeRecord& outcome);
  [[nodiscard]] ipc::OutcomeEvent whole(const OutcomeRecord& outcome,
                                        const std::vector<FilterId>& filters);

 private:
  [[nodiscard]] ipc::SharedFilters names_of(const std::vector<FilterId>& filters);

  const FilterRegistry& filters_;
  InterfaceName interface_name_;
  std::map<std::vector<FilterId>, ipc::SharedFilters> shared_;
  std::uint32_t generation_ = 0;  // of the filters, when these were shared
};

}  // namespace tcpeek::engine
