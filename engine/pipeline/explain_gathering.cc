#include "engine/pipeline/explain_gathering.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "engine/filters/address.h"
#include "engine/filters/filter_expression.h"
#include "engine/pipeline/top_tables.h"
#include "flowtable/icmp_error.h"

namespace tcpeek::engine {
namespace {

using flowtable::AddressWords;

constexpr std::size_t kMostServices = ipc::TopRequest::kMost;
constexpr std::size_t kMostPairs = ipc::TopRequest::kMost;
// Each may bring kSiblings of three kinds along.
constexpr std::size_t kWorst = 24;
constexpr std::size_t kSiblings = 4;
constexpr std::size_t kPairsOfHost = 6;
constexpr std::size_t kNamedInitiators = 3;

// Shares of a host's failures by its three worst initiators.
constexpr std::uint64_t kFewShare = 90;
constexpr std::uint64_t kManyShare = 50;
constexpr std::uint64_t kManyFailures = 20;

AddressWords network_of(const TopKey& key) noexcept {
  return PeerTables::network_of(AddressWords::of(key.ends.first.data()));
}

bool same_network(const TopKey& a, const TopKey& b) noexcept {
  const AddressWords first = network_of(a);
  const AddressWords second = network_of(b);
  return first.high == second.high && first.low == second.low;
}

std::string name_of_network(const TopKey& key) {
  return to_string(network_prefix_of(Address{bytes_of(network_of(key))}));
}

// The services to look at, each once.
class Choice {
 public:
  // False: there is no more room.
  bool add(const TopKey& key) {
    if (keys_.size() == kMostServices) return false;
    if (chosen_.insert(key).second) keys_.push_back(key);
    return true;
  }
  [[nodiscard]] bool full() const noexcept { return keys_.size() == kMostServices; }
  [[nodiscard]] std::vector<TopKey> take() && { return std::move(keys_); }

 private:
  std::vector<TopKey> keys_;
  std::set<TopKey> chosen_;
};

std::uint64_t did_not_fail(const TopCandidate* candidate) noexcept {
  const TopRank& rank = candidate->rank;
  return rank.attempts - std::min(rank.attempts, rank.failures);
}
std::uint64_t failed_at_all(const TopCandidate* candidate) noexcept {
  return candidate->rank.failures;
}

// The first few of `siblings` by that measure.
void add_foremost(Choice& choice, std::vector<const TopCandidate*>& siblings,
                  std::uint64_t (*measure)(const TopCandidate*) noexcept) {
  const std::size_t count = std::min(kSiblings, siblings.size());
  std::ranges::partial_sort(siblings, siblings.begin() + static_cast<std::ptrdiff_t>(count),
                            std::ranges::greater(), measure);
  for (std::size_t i = 0; i < count; ++i) choice.add(siblings[i]->key);
}

// `all` is in the order of keys, in which a network's services are neighbours.
void add_siblings(Choice& choice, const std::vector<TopCandidate>& all, const TopKey& of) {
  const auto start = std::ranges::lower_bound(all, TopKey{{bytes_of(network_of(of)), {}}, 0, 0}, {},
                                              &TopCandidate::key);
  std::vector<const TopCandidate*> ports;
  std::vector<const TopCandidate*> hosts;
  for (auto it = start; it != all.end() && same_network(it->key, of); ++it) {
    if (it->key.directions != of.directions || it->key == of) continue;
    (it->key.ends.first == of.ends.first ? ports : hosts).push_back(&*it);
  }
  add_foremost(choice, ports, did_not_fail);
  add_foremost(choice, hosts, did_not_fail);
  add_foremost(choice, hosts, failed_at_all);
}

RouterFacts router_of(const NotedOfService& noted, const TopKey& key, std::uint64_t ended) {
  return {.address = to_string(Address{noted.error.router}),
          .says = std::string(flowtable::words(flowtable::reason_of(noted.error))),
          .is_responder = noted.error.router == key.ends.first,
          .ended = ended};
}

std::uint64_t percent(std::uint64_t part, std::uint64_t whole) noexcept {
  return whole == 0 ? 0 : part * 100 / whole;
}

}  // namespace

bool ExplainGathering::on_reports(TopReports readers) {
  switch (step_) {
    case Step::services:
      choose_services(readers);
      step_ = Step::service_details;
      return true;
    case Step::service_details:
      take_services(readers);
      query_ = TopQuery();
      query_.by = ipc::TopBy::pair;
      step_ = Step::pairs;
      return true;
    case Step::pairs:
      choose_pairs(readers);
      step_ = Step::pair_details;
      return true;
    case Step::pair_details:
      take_pairs(readers);
      judge_spread();
      return false;
  }
  __builtin_unreachable();
}

ExplainInput ExplainGathering::take(std::chrono::system_clock::time_point taken) && {
  input_.taken = taken;
  input_.whole_file = standing_.whole_file;
  if (!standing_.whole_file) {
    input_.recent_at_least = TopTables::kWindow;
    input_.recent_at_most = 2 * TopTables::kWindow;
  }
  return std::move(input_);
}

// Of a file what is recent matters no more than what was before.
TopRank ExplainGathering::rank_of(const TopCandidate& candidate) const noexcept {
  TopRank rank = candidate.rank;
  if (standing_.whole_file) rank.recent_failures = rank.failures;
  return rank;
}

void ExplainGathering::ask_details(std::vector<TopKey> keys) {
  keys_ = std::move(keys);
  query_.part = TopQuery::Part::details;
  query_.count = keys_.size();
  std::ranges::copy(keys_, query_.keys.begin());
}

void ExplainGathering::choose_services(TopReports readers) {
  const std::vector<TopCandidate> all = merged_candidates(readers);
  std::vector<const TopCandidate*> ranked;
  for (const TopCandidate& candidate : all) ranked.push_back(&candidate);
  const auto rank = [this](const TopCandidate* candidate) { return rank_of(*candidate); };
  const std::size_t sorted = std::min(kMostServices + 1, ranked.size());
  std::ranges::partial_sort(ranked, ranked.begin() + static_cast<std::ptrdiff_t>(sorted),
                            std::ranges::greater(), rank);
  Choice choice;
  for (std::size_t i = 0; i < std::min(kWorst, sorted); ++i) choice.add(ranked[i]->key);
  for (std::size_t i = 0; i < std::min(kWorst, sorted) && !choice.full(); ++i) {
    if (rank(ranked[i]).recent_failures != 0) add_siblings(choice, all, ranked[i]->key);
  }
  std::size_t next = std::min(kWorst, sorted);
  while (next < sorted && choice.add(ranked[next]->key)) ++next;
  if (next < sorted) input_.unlisted_failures = rank(ranked[next]).recent_failures;
  for (const TopReport* reader : readers) {
    const TopRank& unlisted = reader->unlisted;
    input_.unlisted_failures += standing_.whole_file ? unlisted.failures : unlisted.recent_failures;
  }
  ask_details(std::move(choice).take());
}

void ExplainGathering::take_services(TopReports readers) {
  service_keys_ = keys_;
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    const TopKey& key = keys_[i];
    ServiceFacts facts;
    facts.row = merged_service(key, i, readers);
    facts.network = name_of_network(key);
    NotedOfService sum;
    bool still_fails = facts.row.failing_since.has_value();
    for (const TopReport* reader : readers) {
      const TopService& told = reader->services[i];
      const NotedOfService& noted = told.noted;
      sum.causes += noted.causes;
      sum.repeated_successes += noted.repeated_successes;
      sum.answered_twice += noted.answered_twice;
      sum.answered_retrying += noted.answered_retrying;
      sum.uncertain += noted.uncertain;
      sum.rst_suspect += noted.rst_suspect;
      sum.stuck_tuples += noted.stuck_tuples;
      sum.option_black_holes += noted.option_black_holes;
      sum.own_responder |= noted.own_responder;
      facts.last_refusal =
          ipc::latest(facts.last_refusal, wall_time(noted.last_refusal, reader->wall_offset));
      if (noted.error_at > sum.error_at) {
        sum.error = noted.error;
        sum.error_at = noted.error_at;
      }
      if (still_fails) facts.failed_in_a_row += told.row.failed_in_a_row;
    }
    const bool tx_only = key.directions == static_cast<unsigned>(Direction::tx);
    // Whose capture a file is, nobody knows.
    const bool own = standing_.local_is_own ? key.directions != 0 : sum.own_responder && !tx_only;
    facts.own = own && !standing_.whole_file;
    facts.attempts = standing_.whole_file ? facts.row.attempts : facts.row.recent_attempts;
    facts.causes = standing_.whole_file ? facts.row.failures.causes : sum.causes;
    facts.attempts = std::max(facts.attempts, facts.causes.total());
    facts.repeated_successes = sum.repeated_successes;
    facts.answered_twice = sum.answered_twice;
    facts.answered_retrying = std::min(sum.answered_retrying, facts.row.retrying);
    facts.uncertain = sum.uncertain;
    facts.rst_suspect = sum.rst_suspect;
    facts.stuck_tuples = sum.stuck_tuples;
    facts.option_black_holes = sum.option_black_holes;
    facts.retrying = facts.row.retrying;
    if (sum.error_at != 0) facts.router = router_of(sum, key, facts.causes.unreachable);
    failed_of_late_.push_back(sum.causes.total() - sum.causes.probe);
    input_.services.push_back(std::move(facts));
  }
  for (const TopReport* reader : readers) input_.services_known += reader->services_known;
}

// Of those that go to a host that fails.
void ExplainGathering::choose_pairs(TopReports readers) {
  std::set<flowtable::IpAddress> hosts;
  for (std::size_t i = 0; i < service_keys_.size(); ++i) {
    if (failed_of_late_[i] != 0) hosts.insert(service_keys_[i].ends.first);
  }
  std::vector<TopCandidate> all = merged_candidates(readers);
  std::erase_if(all,
                [&](const TopCandidate& pair) { return !hosts.contains(pair.key.ends.second); });
  std::ranges::stable_sort(all, std::ranges::greater(), &TopCandidate::rank);
  std::map<flowtable::IpAddress, std::size_t> taken;
  std::vector<TopKey> keys;
  for (const TopCandidate& pair : all) {
    std::size_t& of_host = taken[pair.key.ends.second];
    if (of_host == kPairsOfHost) continue;
    if (keys.size() == kMostPairs) {
      unlisted_pair_failures_ = pair.rank.recent_failures;
      break;
    }
    ++of_host;
    keys.push_back(pair.key);
  }
  for (const TopReport* reader : readers) {
    unlisted_pair_failures_ += reader->unlisted.recent_failures;
  }
  ask_details(std::move(keys));
}

void ExplainGathering::take_pairs(TopReports readers) {
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    Pair pair{.key = keys_[i], .facts = {}, .failures_at_most = 0};
    pair.facts.address = to_string(Address{keys_[i].ends.first});
    for (const TopReport* reader : readers) {
      const PeerCounts& told = reader->peers[i];
      pair.facts.attempts += told.attempts;
      pair.facts.failures += told.failures.failures - told.failures.error;
      pair.failures_at_most += told.failures.failures;
    }
    pairs_.push_back(std::move(pair));
  }
  std::ranges::stable_sort(pairs_, std::ranges::greater(), &Pair::failures_at_most);
}

// By host, as pairs know no ports: so it is told only of a service that has most of its host's failures.
void ExplainGathering::judge_spread() {
  std::map<flowtable::IpAddress, std::uint64_t> failed;
  for (std::size_t i = 0; i < service_keys_.size(); ++i) {
    failed[service_keys_[i].ends.first] += failed_of_late_[i];
  }
  for (std::size_t i = 0; i < service_keys_.size(); ++i) {
    if (failed_of_late_[i] == 0) continue;
    ServiceFacts& facts = input_.services[i];
    std::uint64_t at_least = 0;
    std::uint64_t at_most = 0;
    for (const Pair& pair : pairs_) {
      if (pair.key.ends.second != service_keys_[i].ends.first) continue;
      if (facts.initiators.size() == kNamedInitiators) break;
      at_least += pair.facts.failures;
      at_most += std::max(pair.failures_at_most, unlisted_pair_failures_);
      facts.initiators.push_back(pair.facts);
    }
    at_most += (kNamedInitiators - facts.initiators.size()) * unlisted_pair_failures_;
    const std::uint64_t all = failed[service_keys_[i].ends.first];
    const std::uint64_t its_own = failed_of_late_[i];
    if (percent(at_least, all) >= kFewShare && percent(its_own, all) >= kFewShare) {
      facts.spread = Spread::few;
    } else if (its_own >= kManyFailures && percent(at_most, all) < kManyShare &&
               percent(its_own, all) > kManyShare) {
      facts.spread = Spread::many;
    }
  }
}

}  // namespace tcpeek::engine
