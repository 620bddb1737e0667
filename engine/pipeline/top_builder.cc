#include "engine/pipeline/top_builder.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/filters/address.h"
#include "engine/filters/filter_expression.h"
#include "engine/pipeline/top_tables.h"

namespace tcpeek::engine {
namespace {

using std::chrono::system_clock;

ipc::TopLeg leg_of(const LegHistogram::Sums& sums) {
  ipc::TopLeg leg;
  for (const std::uint64_t bucket : sums) leg.count += bucket;
  if (leg.count == 0) return leg;
  leg.p50 = LegHistogram::quantile(sums, 0.5);
  leg.p99 = LegHistogram::quantile(sums, 0.99);
  return leg;
}

// Sums up one service over readers.
class ServiceSum {
 public:
  void add_reader(const TopService& told, std::int64_t offset) {
    const Service& row = told.row;
    sum_.attempts += row.attempts();
    sum_.pending += row.pending;
    sum_.success += row.success;
    sum_.failures.total += row.failures.total();
    sum_.failures.causes += row.failures;
    sum_.evicted += row.evicted;
    sum_.dup_syn_segments += row.dup_syns;
    sum_.dup_synack_segments += row.dup_synacks;
    sum_.recent_attempts += told.recent.attempts;
    sum_.recent_failures += told.recent.failures;
    sum_.legs_left_out += row.legs_left_out;
    sum_.retrying += row.retrying;
    sum_.retrying_dup_syn_segments += row.retrying_syns;
    sum_.retrying_dup_synack_segments += row.retrying_synacks;
    sum_.rst_suspect += row.rst_suspect;
    sum_.answered_meanwhile += row.answered_meanwhile;
    sum_.stuck_tuples += row.stuck_tuples;
    sum_.ecn_black_holes += row.ecn_black_holes;
    sum_.fast_open_black_holes += row.fast_open_black_holes;
    row.syn_to_synack.add_to(syn_to_synack_);
    row.synack_to_ack.add_to(synack_to_ack_);
    sum_.counting_since = ipc::earliest(sum_.counting_since, wall_time(row.counting_since, offset));
    // Readers share the base of packet time.
    if (sum_.identity == 0 || (row.counting_since != 0 && row.counting_since < sum_.identity))
      sum_.identity = row.counting_since;
    sum_.last_success = ipc::latest(sum_.last_success, wall_time(row.last_success, offset));
    sum_.last_failure = ipc::latest(sum_.last_failure, wall_time(row.last_failure, offset));
    runs_.emplace_back(wall_time(row.failing_since, offset), wall_time(row.last_failure, offset));
  }

  [[nodiscard]] ipc::TopServiceRow take() && {
    sum_.syn_to_synack = leg_of(syn_to_synack_);
    sum_.synack_to_ack = leg_of(synack_to_ack_);
    for (const auto& [since, last] : runs_) {
      if (since > sum_.last_success) {
        sum_.failing_since = ipc::earliest(sum_.failing_since, since);
      } else if (last > sum_.last_success) {
        sum_.failing_since = ipc::earliest(sum_.failing_since, last);
      }
    }
    return std::move(sum_);
  }

 private:
  ipc::TopServiceRow sum_;
  LegHistogram::Sums syn_to_synack_{};
  LegHistogram::Sums synack_to_ack_{};
  std::vector<std::pair<ipc::TopTime, ipc::TopTime>> runs_;  // first and last failure, by reader
};

bool has(unsigned directions, Direction direction) {
  return (directions & static_cast<unsigned>(direction)) != 0;
}

void name(ipc::TopPeerRow& row, ipc::TopBy by, const PeerKey& key) {
  const Address first{key.first};
  switch (by) {
    case ipc::TopBy::service:  // has rows of its own
      return;
    case ipc::TopBy::network:
      row.network = to_string(network_prefix_of(first));
      return;
    case ipc::TopBy::pair:
      row.responder = to_string(Address{key.second});
      row.initiator = to_string(first);
      return;
    case ipc::TopBy::initiator:
      row.initiator = to_string(first);
      return;
  }
}

ipc::TopPeerRow peer_row(ipc::TopBy by, const TopKey& key, std::size_t i, TopReports readers) {
  ipc::TopPeerRow row;
  name(row, by, key.ends);
  for (const TopReport* reader : readers) {
    const PeerCounts& told = reader->peers[i];
    row.attempts += told.attempts;
    row.failures.total += told.failures.failures;
    row.failures.causes += told.failures.counted;
    row.failures_error += told.failures.error;
    row.first_failure =
        ipc::earliest(row.first_failure, wall_time(told.failures.first, reader->wall_offset));
    row.last_failure =
        ipc::latest(row.last_failure, wall_time(told.failures.last, reader->wall_offset));
  }
  return row;
}

}  // namespace

ipc::TopTime wall_time(std::int64_t packet_time, std::int64_t offset) {
  if (packet_time == 0) return std::nullopt;
  const std::chrono::nanoseconds ns(packet_time + offset);
  return system_clock::time_point(std::chrono::duration_cast<system_clock::duration>(ns));
}

ipc::TopServiceRow merged_service(const TopKey& key, std::size_t place, TopReports readers) {
  ServiceSum sum;
  for (const TopReport* reader : readers)
    sum.add_reader(reader->services[place], reader->wall_offset);
  ipc::TopServiceRow row = std::move(sum).take();
  row.address = to_string(Address{key.ends.first});
  row.port = key.port;
  row.responder_local = has(key.directions, Direction::rx);
  row.initiator_local = has(key.directions, Direction::tx);
  return row;
}

std::vector<TopCandidate> merged_candidates(TopReports readers) {
  std::vector<TopCandidate> all;
  for (const TopReport* reader : readers) {
    all.insert(all.end(), reader->candidates.begin(), reader->candidates.end());
  }
  std::ranges::sort(all, {}, &TopCandidate::key);
  std::size_t merged = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (merged > 0 && all[merged - 1].key == all[i].key) {
      all[merged - 1].rank += all[i].rank;
    } else {
      all[merged++] = all[i];
    }
  }
  all.resize(merged);
  return all;
}

TopChoice choose_top(TopReports readers, std::size_t count, TopOrder order) {
  std::vector<TopCandidate> all = merged_candidates(readers);
  if (order == TopOrder::whole_time) {
    for (TopCandidate& candidate : all) candidate.rank.recent_failures = candidate.rank.failures;
  }
  const std::size_t chosen = std::min(count, all.size());
  // One more, which tells how much the first that is left out has.
  const std::size_t sorted = std::min(chosen + 1, all.size());
  // Equal ones by their keys, so that the number of readers changes nothing.
  std::ranges::partial_sort(all, all.begin() + static_cast<std::ptrdiff_t>(sorted),
                            [](const TopCandidate& a, const TopCandidate& b) {
                              return a.rank != b.rank ? a.rank > b.rank : a.key < b.key;
                            });
  TopChoice choice;
  for (std::size_t i = 0; i < chosen; ++i) choice.keys.push_back(all[i].key);
  if (sorted > chosen) choice.unlisted_failures = all[chosen].rank.recent_failures;
  for (const TopReport* reader : readers) {
    choice.unlisted_failures += reader->unlisted.recent_failures;
  }
  return choice;
}

ipc::Top build_top(const ipc::TopRequest& request, const TopChoice& choice, TopReports readers,
                   system_clock::time_point taken) {
  ipc::Top top;
  top.taken = taken;
  top.request = request;
  top.recent_at_least = TopTables::kWindow;
  top.recent_at_most = 2 * TopTables::kWindow;
  top.unlisted_failures = choice.unlisted_failures;
  if (request.by != ipc::TopBy::service) {
    for (std::size_t i = 0; i < choice.keys.size(); ++i) {
      top.peers.push_back(peer_row(request.by, choice.keys[i], i, readers));
    }
    for (const TopReport* reader : readers) top.attempts_error += reader->attempts_error;
    std::ranges::stable_sort(top.peers, std::ranges::greater(),
                             [](const ipc::TopPeerRow& row) { return row.failures.total; });
    return top;
  }
  for (std::size_t i = 0; i < choice.keys.size(); ++i) {
    top.services.push_back(merged_service(choice.keys[i], i, readers));
  }
  std::ranges::stable_sort(top.services, std::ranges::greater(), [](const ipc::TopServiceRow& row) {
    return std::array{row.recent_failures, row.failures.causes.suffered(), row.attempts};
  });
  ServiceSum others;
  for (const TopReport* reader : readers) {
    others.add_reader(reader->others, reader->wall_offset);
    top.services_known += reader->services_known;
    top.services_displaced += reader->services_displaced;
  }
  top.others = std::move(others).take();
  top.others.failing_since.reset();
  return top;
}

}  // namespace tcpeek::engine
