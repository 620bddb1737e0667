#include "engine/explain/case.h"

#include <algorithm>

#include "engine/explain/words.h"

namespace tcpeek::engine {
namespace {

// So many failures without a success between them are no chance.
constexpr std::uint64_t kRun = 3;
// So many successes by a second SYN, the last one so recent, mean that second SYNs come through.
constexpr std::uint64_t kComeThrough = 5;
constexpr std::chrono::seconds kComeThroughNow{10};
constexpr std::chrono::seconds kFirstRepetition{1};  // of a SYN (RFC 6298)
// Fewer repetitions are worth no word.
constexpr std::uint64_t kFewestRepeats = 5;
constexpr std::uint64_t kFewestRepeatsShare = 100;  // one in so many successes

Vantage vantage_of(const ServiceFacts& service) noexcept {
  const ipc::TopServiceRow& row = service.row;
  // Where both ends count as local and neither is this host, as in a file, nobody knows which is near.
  if (row.responder_local && row.initiator_local && !service.own) return Vantage::between;
  if (row.responder_local) return Vantage::responder;
  return row.initiator_local ? Vantage::initiator : Vantage::between;
}

bool same_direction(const ipc::TopServiceRow& a, const ipc::TopServiceRow& b) noexcept {
  return a.responder_local == b.responder_local && a.initiator_local == b.initiator_local;
}

std::uint64_t unanswered(const ServiceFacts& service) noexcept {
  return service.causes.no_answer + service.causes.superseded;
}

bool comes_through(const ExplainInput& input, const ServiceFacts& service) noexcept {
  const ipc::TopTime& success = service.row.last_success;
  return service.repeated_successes >= kComeThrough && success &&
         input.taken - *success <= kComeThroughNow;
}

std::uint64_t unanswered_now(const ServiceFacts& service) noexcept {
  return service.retrying - std::min(service.retrying, service.answered_retrying);
}

std::uint64_t repeated_in_vain(const ExplainInput& input, const ServiceFacts& service) noexcept {
  return comes_through(input, service) ? 0 : unanswered_now(service);
}

// SYNs are being repeated, and not one other was answered meanwhile. Each reader counts for itself what was,
// so the last success has to be older than the repetition of the youngest.
bool stands_still(const ExplainInput& input, const ServiceFacts& service) noexcept {
  const ipc::TopTime& success = service.row.last_success;
  return unanswered_now(service) >= kRun && service.row.answered_meanwhile == 0 &&
         service.repeated_successes == 0 && success && input.taken - *success >= kFirstRepetition;
}

bool is_late(const ExplainInput& input, const ipc::TopTime& time) noexcept {
  return time && (input.whole_file || input.taken - *time <= input.recent_at_most);
}

}  // namespace

Case::Case(const ExplainInput& all, const ServiceFacts& facts)
    : input(all), service(facts), vantage(vantage_of(facts)) {
  for (const ServiceFacts& other : all.services) {
    if (&other == &facts || !same_direction(other.row, facts.row)) continue;
    if (other.row.address == facts.row.address) {
      other_ports.push_back(&other);
    } else if (!facts.network.empty() && other.network == facts.network) {
      other_hosts.push_back(&other);
    }
  }
}

std::uint64_t Case::silent() const noexcept {
  return unanswered(service) + stalled();
}

std::uint64_t Case::stalled() const noexcept {
  return repeated_in_vain(input, service);
}

std::uint64_t Case::awaiting_ack() const noexcept {
  return comes_through(input, service) ? 0 : service.answered_retrying;
}

std::uint64_t Case::failed() const noexcept {
  const ipc::FailureCounts& causes = service.causes;
  return causes.total() - causes.aborted - causes.half_open - causes.probe;
}

const QueueFacts* Case::queue() const noexcept {
  if (vantage != Vantage::responder) return nullptr;
  const auto found = std::ranges::find_if(input.queues, [&](const QueueFacts& queue) {
    const bool any = queue.address == "0.0.0.0" || queue.address == "::";
    return queue.port == service.row.port && (any || queue.address == service.row.address);
  });
  return found == input.queues.end() ? nullptr : &*found;
}

bool succeeds(const ExplainInput& input, const ServiceFacts& service) noexcept {
  const bool down = service.row.failing_since.has_value() && service.failed_in_a_row >= kRun;
  return is_late(input, service.row.last_success) && !down && !stands_still(input, service);
}

bool accepted_since(const ServiceFacts& service) noexcept {
  return service.last_refusal && service.row.last_success > service.last_refusal;
}

Refusals refusals_of(const ExplainInput& input, const ServiceFacts& service) noexcept {
  if (service.causes.reset > service.causes.refused) return Refusals::resets;
  if (succeeds(input, service)) return Refusals::some;
  return accepted_since(service) ? Refusals::past : Refusals::nobody_listens;
}

bool refuses(const ServiceFacts& service) noexcept {
  const std::uint64_t refused = service.causes.refused + service.causes.reset;
  return refused > service.rst_suspect && !accepted_since(service);
}

bool many_repeats(const ServiceFacts& service) noexcept {
  return service.repeated_successes >= kFewestRepeats &&
         service.repeated_successes * kFewestRepeatsShare >= service.attempts;
}

bool answers(const ExplainInput& input, const ServiceFacts& service) noexcept {
  if (succeeds(input, service) || refuses(service)) return true;
  return service.causes.no_ack + service.answered_retrying != 0;
}

bool is_silent(const ExplainInput& input, const ServiceFacts& service) noexcept {
  return unanswered(service) + repeated_in_vain(input, service) > 0 && !answers(input, service);
}

ipc::Finding begin_finding(const Case& about, ipc::Verdict verdict, std::uint64_t weight) {
  const ServiceFacts& service = about.service;
  const ipc::TopServiceRow& row = service.row;
  ipc::Finding finding;
  finding.verdict = verdict;
  finding.subject = name_of(row);
  finding.direction = row.responder_local ? (row.initiator_local ? "both" : "rx")
                                          : (row.initiator_local ? "tx" : "neither");
  finding.services = {{row.address, row.port}};
  finding.service_count = 1;
  finding.figures = {.attempts = row.attempts,
                     .success = row.success,
                     .pending = row.pending,
                     .retrying = service.retrying,
                     .failures = row.failures,
                     .evicted = row.evicted,
                     .recent_attempts = service.attempts,
                     .recent_failures = weight};
  finding.times = {.counting_since = row.counting_since,
                   .failing_since = row.last_success ? row.failing_since : std::nullopt,
                   .last_success = row.last_success,
                   .last_failure = row.last_failure,
                   .never_worked = row.success == 0};
  return finding;
}

}  // namespace tcpeek::engine
