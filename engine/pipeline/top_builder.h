// Merges what readers tell about services and peers into one Top. Pure: plain data in, plain data out.
//
// A service's or a peer's counts are the sums over readers, as each connection is one reader's alone. Errors
// add up too. What only one reader can know, since when a service has been failing, is found by comparing
// times: it is failing since the first failure after the last success that any reader saw, or shortly
// before the time that is told, where a reader had its first failure before that success.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/pipeline/top_report.h"
#include "ipc/top.h"

namespace tcpeek::engine {

using TopReports = std::span<const TopReport* const>;

// None for 0.
[[nodiscard]] ipc::TopTime wall_time(std::int64_t packet_time, std::int64_t offset);

struct TopChoice {
  std::vector<TopKey> keys;
  std::uint64_t unlisted_failures = 0;  // recent ones of any other key, at most
};

// The candidates of all readers, each once, in the order of their keys.
[[nodiscard]] std::vector<TopCandidate> merged_candidates(TopReports readers);
// What readers know of the service that was asked for at this place, summed up.
[[nodiscard]] ipc::TopServiceRow merged_service(const TopKey& key, std::size_t place,
                                                TopReports readers);
// What comes first: what failed most of late, or since the start.
enum class TopOrder : std::uint8_t { recent, whole_time };

// From the readers' candidates.
[[nodiscard]] TopChoice choose_top(TopReports readers, std::size_t count,
                                   TopOrder order = TopOrder::recent);

// From the readers' details of `choice`.
[[nodiscard]] ipc::Top build_top(const ipc::TopRequest& request, const TopChoice& choice,
                                 TopReports readers, std::chrono::system_clock::time_point taken);

// Both rounds in a row, where readers answer at once: ask(TopQuery) returns their reports. What failed most
// since the start.
template <class Ask>
[[nodiscard]] ipc::Top top_at_once(const ipc::TopRequest& request, Ask&& ask,
                                   std::chrono::system_clock::time_point taken) {
  TopQuery query;
  query.by = request.by;
  const TopChoice choice = choose_top(ask(query), request.count, TopOrder::whole_time);
  query.part = TopQuery::Part::details;
  query.count = choice.keys.size();
  std::ranges::copy(choice.keys, query.keys.begin());
  return build_top(request, choice, ask(query), taken);
}

}  // namespace tcpeek::engine
