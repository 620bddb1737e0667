// The rules a reader applies, with room for its counts under them, as the reactor hands them over.
//
// The reader allocates nothing: when rules add filters, the arrays to count them in come along, and arrays
// that became too small go back with the previous rules.
//
// Thread contract: the reactor's until offered, then the reader's (base/handover.h).
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "engine/filters/filter_registry.h"
#include "engine/filters/ruleset.h"
#include "ipc/snapshot.h"

namespace tcpeek::engine {

struct ReaderRules {
  Ruleset rules;
  std::vector<ipc::Counts> counting;  // by filter number; empty: those in use are large enough
  std::vector<ipc::Counts> reported;  // likewise, for the reader's report
};

// With room for every filter of `registry`.
[[nodiscard]] inline std::unique_ptr<ReaderRules> reader_rules(const FilterRegistry& registry,
                                                               Locality locality) {
  return std::make_unique<ReaderRules>(ReaderRules{registry.ruleset(std::move(locality)),
                                                   std::vector<ipc::Counts>(registry.id_bound()),
                                                   std::vector<ipc::Counts>(registry.id_bound())});
}

}  // namespace tcpeek::engine
