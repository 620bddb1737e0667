#include "engine/explain/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <tuple>
#include <utility>

#include "engine/explain/rules.h"
#include "engine/explain/words.h"

namespace tcpeek::engine {
namespace {

using ipc::Explanation;
using ipc::Finding;

constexpr std::uint64_t kNoChance = 3;  // failures that are no chance
constexpr std::uint64_t kDegradedShare = 10;

enum class Urgency : std::uint8_t { informative, some, degraded, never_worked, went_down };

struct Scored {
  Finding finding;
  Concern concern = Concern::silence;
  Urgency urgency = Urgency::some;
  std::string group;
  std::string kind;  // of what a rule may say

  [[nodiscard]] auto rank() const noexcept {
    return std::tuple(urgency, finding.figures.recent_failures, finding.figures.recent_attempts);
  }
};

Urgency urgency_of(const Case& about, Concern concern, std::uint64_t weight) noexcept {
  const bool degraded = weight * kDegradedShare >= about.service.attempts;
  switch (concern) {
    case Concern::initiator:
      return Urgency::informative;
    case Concern::repeats:
      return degraded ? Urgency::some : Urgency::informative;
    case Concern::unacknowledged:
    case Concern::silence:
    case Concern::refusal:
    case Concern::unreachable:
      break;
  }
  // Successes alone do not tell: a scan of a port that works is no trouble of the port's.
  if (concern == Concern::unacknowledged && about.service.causes.half_open != 0)
    return Urgency::some;
  const bool past = concern == Concern::refusal && accepted_since(about.service);
  if (weight < kNoChance || past || succeeds(about.input, about.service)) {
    return degraded ? Urgency::degraded : Urgency::some;
  }
  return about.service.row.success != 0 ? Urgency::went_down : Urgency::never_worked;
}

// What is told as one thing.
std::string group_of(const Case& about, Concern concern, std::string_view rule) {
  if (rule == "network_dark") return about.service.network;
  if (rule == "half_open_scan" || concern == Concern::initiator) return {};
  return about.service.row.address;
}

// A rule that has several things to say: which one.
std::string kind_of(const Case& about, Concern concern, const Finding& finding) {
  std::string kind(ipc::word(finding.verdict));
  const ServiceFacts& service = about.service;
  if (concern == Concern::refusal)
    kind += fmt::format(" {}", static_cast<int>(refusals_of(about.input, service)));
  if (concern == Concern::unreachable && service.router)
    kind += ' ' + service.router->address + ' ' + service.router->says;
  return kind;
}

// What was counted while packets were lost may be otherwise.
void doubt(const Case& about, Concern concern, Finding& finding) {
  const bool by_silence = concern == Concern::silence || concern == Concern::unacknowledged;
  const std::uint64_t uncertain = about.service.uncertain;
  if (uncertain == 0 || !by_silence) return;
  finding.limits.push_back(
      fmt::format("{} while the capture lost packets: their answers may have been among them",
                  count_of(uncertain, "attempt timed out", "attempts timed out")));
}

// Commands that look into a host have to be run there.
void say_where_to_run(const Case& about, Finding& finding) {
  const bool near_responder = about.vantage == Vantage::responder;
  if (about.service.own || (!near_responder && finding.verdict != ipc::Verdict::here)) return;
  const std::string where = near_responder ? about.service.row.address : "the initiator";
  for (std::string& command : finding.next) command += "  # on " + where;
}

void apply_rules(const ExplainInput& input, const ServiceFacts& service, std::vector<Scored>& all) {
  const Case about(input, service);
  std::array<bool, static_cast<std::size_t>(Concern::initiator) + 1> told{};
  for (const Rule& rule : rules()) {
    bool& settled = told[static_cast<std::size_t>(rule.concern)];
    if (settled) continue;
    std::optional<Finding> finding = rule.fires(about);
    if (!finding) continue;
    settled = true;
    finding->rule = rule.name;
    doubt(about, rule.concern, *finding);
    say_where_to_run(about, *finding);
    const std::uint64_t weight = finding->figures.recent_failures;
    std::string kind = kind_of(about, rule.concern, *finding);
    all.push_back({std::move(*finding), rule.concern, urgency_of(about, rule.concern, weight),
                   group_of(about, rule.concern, rule.name), std::move(kind)});
  }
}

void add(ipc::FindingFigures& sum, const ipc::FindingFigures& more) noexcept {
  sum.attempts += more.attempts;
  sum.success += more.success;
  sum.pending += more.pending;
  sum.retrying += more.retrying;
  sum.failures.total += more.failures.total;
  sum.failures.causes += more.failures.causes;
  sum.evicted += more.evicted;
  sum.recent_attempts += more.recent_attempts;
  sum.recent_failures += more.recent_failures;
}

// One more service of which the same is said.
void join(Scored& group, const Scored& more) {
  Finding& finding = group.finding;
  add(finding.figures, more.finding.figures);
  finding.times.counting_since =
      ipc::earliest(finding.times.counting_since, more.finding.times.counting_since);
  finding.times.failing_since =
      ipc::earliest(finding.times.failing_since, more.finding.times.failing_since);
  finding.times.last_success =
      std::max(finding.times.last_success, more.finding.times.last_success);
  finding.times.last_failure =
      std::max(finding.times.last_failure, more.finding.times.last_failure);
  finding.times.never_worked = finding.times.never_worked && more.finding.times.never_worked;
  finding.service_count += more.finding.service_count;
  if (finding.services.size() < Finding::kMostServices) {
    finding.services.push_back(more.finding.services.front());
  }
}

std::string list_of(const Finding& finding) {
  std::string text;
  for (const ipc::ExplainedService& service : finding.services) {
    ipc::TopServiceRow row;
    row.address = service.address;
    row.port = service.port;
    text += (text.empty() ? "" : ", ") + name_of(row);
  }
  const std::uint64_t left_out = finding.service_count - finding.services.size();
  if (left_out != 0) text += fmt::format(" and {} more", left_out);
  return text;
}

// Words for several services at once.
void describe(Scored& group) {
  Finding& finding = group.finding;
  if (finding.service_count < 2) return;
  const std::uint64_t others = finding.service_count - 1;
  if (finding.rule == "network_dark") {
    finding.subject = group.group;
  } else if (group.group.empty()) {
    finding.subject = fmt::format("{} services", finding.service_count);
  } else {
    finding.subject = fmt::format("{} ports of {}", finding.service_count, group.group);
  }
  if (finding.rule != "network_dark") {
    finding.sentence.pop_back();  // the full stop
    finding.sentence +=
        fmt::format("; the same holds for {}.", count_of(others, "more service", "more services"));
  }
  finding.evidence.push_back(
      fmt::format("in all {}: {}", attempts(finding.figures.recent_failures), list_of(finding)));
}

std::vector<Scored> grouped(std::vector<Scored> all) {
  std::ranges::stable_sort(all, std::ranges::greater(), &Scored::rank);
  std::vector<Scored> groups;
  using What = std::tuple<std::string_view, std::string_view, std::string, std::string>;
  std::map<What, std::size_t> places;
  for (Scored& one : all) {
    const auto [place, is_new] = places.try_emplace(
        {one.finding.rule, one.finding.direction, one.group, one.kind}, groups.size());
    if (is_new) {
      groups.push_back(std::move(one));
    } else {
      join(groups[place->second], one);
    }
  }
  std::ranges::stable_sort(groups, std::ranges::greater(), &Scored::rank);
  return groups;
}

std::vector<std::string> doubts_of(const ExplainInput& input) {
  std::vector<std::string> doubts;
  if (input.lost_packets != 0) {
    doubts.push_back(
        fmt::format("The capture lost {} since the start: all figures are uncertain, and what "
                    "looks unanswered may "
                    "have been answered.",
                    count_of(input.lost_packets, "packet", "packets")));
  }
  if (input.uncertain != 0) {
    doubts.push_back(
        fmt::format("{} while packets were being lost.",
                    count_of(input.uncertain, "attempt timed out", "attempts timed out")));
  }
  if (input.evicted != 0) {
    doubts.push_back(fmt::format("{} given up as the table was full: how they ended is not known.",
                                 count_of(input.evicted, "attempt was", "attempts were")));
  }
  return doubts;
}

std::string since_the_start(const ExplainInput& input) {
  std::string text = fmt::format("{} of {} {} succeeded", input.success, attempts(input.attempts),
                                 input.whole_file ? "in the file" : "since the start");
  if (input.pending != 0) text += fmt::format(", {} still pending", input.pending);
  if (input.retrying != 0) text += fmt::format(" ({} retrying)", input.retrying);
  return text;
}

std::string summary_of(const ExplainInput& input, std::uint64_t failed) {
  if (input.attempts == 0) {
    return input.whole_file ? "The file contains no connection attempt."
                            : "No connection attempt has been seen since the start.";
  }
  if (failed != 0 && input.whole_file) {
    return fmt::format("{} of {} failed, {} succeeded, {} still pending at its end.", failed,
                       count_of(input.attempts, "attempt in the file", "attempts in the file"),
                       input.success, input.pending);
  }
  if (failed != 0) {
    std::uint64_t tried = 0;
    for (const ServiceFacts& service : input.services) tried += service.attempts;
    // The sums are of those that were looked at.
    const std::string where =
        input.unlisted_failures != 0
            ? fmt::format(" at the {} services that fail most", input.services.size())
            : "";
    return fmt::format("{} of {}{} failed {}; {}.", failed, attempts(std::max(tried, failed)),
                       where, period(input), since_the_start(input));
  }
  if (input.failures == 0) {
    return fmt::format("{}: {}.", input.retrying != 0 ? "Nothing has failed yet" : "Nothing fails",
                       since_the_start(input));
  }
  return fmt::format("Nothing fails {}; {}, {} failed or were ended by their initiators.",
                     period(input), since_the_start(input), input.failures);
}

}  // namespace

Explanation explain(const ExplainInput& input) {
  Explanation told;
  told.taken = input.taken;
  told.whole_file = input.whole_file;
  told.recent_at_least = input.recent_at_least;
  told.recent_at_most = input.recent_at_most;
  told.attempts = input.attempts;
  told.success = input.success;
  told.failures = input.failures;
  told.pending = input.pending;
  told.retrying = input.retrying;
  told.evicted = input.evicted;
  told.pending_attempts = input.pending_attempts;
  told.services_examined = input.services.size();
  told.services_known = input.services_known;
  told.unlisted_failures = input.unlisted_failures;
  told.doubts = doubts_of(input);

  std::vector<Scored> all;
  std::uint64_t failed = 0;
  for (const ServiceFacts& service : input.services) {
    apply_rules(input, service, all);
    failed += Case(input, service).failed();
  }
  told.summary = summary_of(input, failed);
  std::vector<Scored> groups = grouped(std::move(all));
  const std::size_t shown = std::min(groups.size(), Explanation::kMostFindings);
  told.more_findings = groups.size() - shown;
  for (std::size_t i = 0; i < shown; ++i) {
    describe(groups[i]);
    told.findings.push_back(std::move(groups[i].finding));
  }
  return told;
}

}  // namespace tcpeek::engine
