#include "engine/replay/replay_filters.h"

#include <fmt/format.h>

#include "engine/base/text.h"
#include "engine/base/usage_error.h"
#include "engine/replay/link_types.h"
#include "ring/capture_filter.h"

namespace tcpeek::engine {

void ReplayFilters::compile_all() {
  if (expression_.empty()) return;
  for (const std::uint16_t link_type : known_link_types()) {
    static_cast<void>(compiled(link_type));
  }
}

const ring::OfflineFilter* ReplayFilters::find(std::uint16_t link_type) {
  if (expression_.empty()) return nullptr;
  const Compiled& known = compiled(link_type);
  if (const Refusal* refusal = std::get_if<Refusal>(&known)) {
    throw UsageError(fmt::format("--bpf: {} is not a filter expression (pcap-filter(7)) for {}: {}",
                                 in_quotes(expression_), describe_link_type(link_type),
                                 printable(*refusal)));
  }
  return &std::get<ring::OfflineFilter>(known);
}

const ReplayFilters::Compiled& ReplayFilters::compiled(std::uint16_t link_type) {
  const auto known = filters_.find(link_type);
  if (known != filters_.end()) return known->second;
  try {
    return filters_.try_emplace(link_type, ring::OfflineFilter(link_type, expression_))
        .first->second;
  } catch (const ring::FilterSyntaxError& e) {
    return filters_.try_emplace(link_type, Refusal(e.what())).first->second;
  }
}

}  // namespace tcpeek::engine
