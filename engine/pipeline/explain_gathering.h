// Gathers what EXPLAIN reasons from: the worst services, and of each some siblings: other ports of its host,
// other hosts of its network, and who fails at it.
//
// How it works: the same questions as for TOP, asked of all readers one after the other (top_exchange.h):
// services by rank, from which those to be looked at are chosen; their details; pairs by rank; details of
// those that go to failing hosts. So no reader is held longer than for TOP, and all is bounded: as many
// services and pairs as TOP shows at most. Siblings come from the foremost candidates, which with fewer than
// TopReport::kMostCandidates services are all of them.
//
// Thread contract: a plain object of one thread, the one that asks.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/explain/explain_input.h"
#include "engine/pipeline/top_builder.h"
#include "engine/pipeline/top_report.h"

namespace tcpeek::engine {

class ExplainGathering {
 public:
  // Where the capture stands.
  struct Standing {
    bool whole_file = false;    // a capture file, of which all counts
    bool local_is_own = false;  // no network counts as local but the host's own addresses
  };

  explicit ExplainGathering(const Standing& standing) : standing_(standing) {}

  // To be put to all readers.
  [[nodiscard]] const TopQuery& query() const noexcept { return query_; }
  // Their answers: true if query() is to be asked next, false if all is known.
  [[nodiscard]] bool on_reports(TopReports readers);
  // What is known so far. Totals are the caller's to fill in, at any time.
  [[nodiscard]] ExplainInput& input() noexcept { return input_; }
  [[nodiscard]] ExplainInput take(std::chrono::system_clock::time_point taken) &&;

 private:
  enum class Step : std::uint8_t { services, service_details, pairs, pair_details };

  void choose_services(TopReports readers);
  void take_services(TopReports readers);
  void choose_pairs(TopReports readers);
  void take_pairs(TopReports readers);

  [[nodiscard]] TopRank rank_of(const TopCandidate& candidate) const noexcept;
  void ask_details(std::vector<TopKey> keys);
  void judge_spread();

  struct Pair {
    TopKey key;
    InitiatorFacts facts;
    std::uint64_t failures_at_most = 0;
  };

  Standing standing_;
  Step step_ = Step::services;
  TopQuery query_;
  std::vector<TopKey> keys_;  // of the services, and then of the pairs
  std::vector<TopKey> service_keys_;
  std::vector<std::uint64_t>
      failed_of_late_;  // by service, in the windows that pairs are counted in
  std::vector<Pair> pairs_;
  std::uint64_t unlisted_pair_failures_ = 0;  // of a pair that is not among them, at most
  ExplainInput input_;
};

}  // namespace tcpeek::engine
