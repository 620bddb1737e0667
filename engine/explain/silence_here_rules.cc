// SYNs that reached the near end and were not answered. What is captured on the host's own interface was
// there: whatever lost it afterwards is here.
#include <fmt/format.h>

#include "engine/explain/rules.h"
#include "engine/explain/words.h"

namespace tcpeek::engine::rule {
namespace {

using ipc::Finding;
using ipc::Verdict;

// Fewer failures of a few initiators prove no filter for them.
constexpr std::uint64_t kFewButCertain = 3;

bool near_and_silent(const Case& about) noexcept {
  return about.vantage == Vantage::responder && about.silent() > 0;
}

std::string unanswered_and_stalled(const Case& about) {
  std::string text = share(about, about.silent(), "not answered");
  if (about.stalled() != 0) {
    text += fmt::format(", {} of them being repeated now", about.stalled());
  }
  return text;
}

// Those who fail do not succeed elsewhere at this host.
bool initiators_mostly_fail(const ServiceFacts& service) noexcept {
  std::uint64_t failures = 0;
  std::uint64_t attempts = 0;
  for (const InitiatorFacts& initiator : service.initiators) {
    failures += initiator.failures;
    attempts += initiator.attempts;
  }
  return failures >= kFewButCertain && failures * 2 >= attempts;
}

void add_initiators(const ServiceFacts& service, Finding& finding) {
  if (service.initiators.empty()) return;
  finding.evidence.push_back(
      fmt::format("who fails at this host, whatever the port: {}", who(service)));
}

// Who has no route to them does not answer either.
void add_way_back(const ServiceFacts& service, Finding& finding) {
  finding.limits.emplace_back("a missing route back to the initiators looks the same");
  if (!service.initiators.empty())
    finding.next.push_back(look_up_route(service.initiators.front().address));
}

// What the kernel says of the queue, where it says anything.
void add_kernel(const QueueFacts& queue, Finding& finding) {
  if (queue.kernel == QueueFacts::Kernel::unknown) return;
  if (queue.limit != 0) {
    finding.evidence.push_back(
        fmt::format("{} to be accepted now, {} may",
                    count_of(queue.waiting, "connection waits", "connections wait"), queue.limit));
  }
  if (queue.overflows != 0) {
    finding.evidence.push_back(
        fmt::format("the kernel found the queue full for {} in the last minute",
                    count_of(queue.overflows, "SYN or ACK", "SYNs or ACKs")));
  }
}

}  // namespace

// RX no answer, and the queue is full by what the kernel says, or by what SYNs do where it says nothing.
std::optional<Finding> accept_queue_full(const Case& about) {
  const QueueFacts* const queue = about.queue();
  const std::uint64_t weight = about.silent() + about.service.repeated_successes;
  if (queue == nullptr || weight == 0) return std::nullopt;
  const bool sure = queue->kernel == QueueFacts::Kernel::confirms;
  // A host that answers nobody any more has no queue.
  const bool likely = queue->kernel == QueueFacts::Kernel::unknown && queue->suspected &&
                      succeeds(about.input, about.service);
  if (!sure && !likely) return std::nullopt;
  Finding finding = begin_finding(about, Verdict::here, weight);
  finding.sentence = fmt::format("The accept queue of {} {} full: the service accepts {}.",
                                 name_of(about.service.row), sure ? "is" : "seems to be",
                                 succeeds(about.input, about.service) ? "too slowly" : "nothing");
  if (about.silent() > 0) finding.evidence.push_back(unanswered_and_stalled(about));
  if (about.service.repeated_successes != 0) {
    finding.evidence.push_back(fmt::format(
        "{} only after the SYN had been repeated",
        count_of(about.service.repeated_successes, "attempt succeeded", "attempts succeeded")));
  }
  finding.evidence.push_back(worked_until(about));
  add_kernel(*queue, finding);
  finding.limits.emplace_back(
      sure ? "a queue that has room while SYNs stay unanswered refutes it: look again"
           : "the kernel could not be asked: a filter for some looks the same");
  limit_to_near_network(about, finding);
  finding.next = {list_listeners(about.service.row.port), "nstat -az TcpExtListenOverflows"};
  return finding;
}

// RX no answer, the port answers others, no queue sign, and a few initiators that hardly succeed.
std::optional<Finding> filtered_for_some(const Case& about) {
  const ServiceFacts& service = about.service;
  if (!near_and_silent(about) || !succeeds(about.input, service)) return std::nullopt;
  if (service.spread != Spread::few || about.silent() < kFewButCertain) return std::nullopt;
  if (about.silent() * 2 < about.failed()) return std::nullopt;
  if (!initiators_mostly_fail(service)) return std::nullopt;
  Finding finding = begin_finding(about, Verdict::here, about.silent());
  finding.sentence = fmt::format(
      "{} answers others, but not {}: {} drops what they send, by a filter or by connection "
      "tracking.",
      name_of(service.row),
      service.initiators.size() == 1 ? service.initiators.front().address : "a few initiators",
      near_place(about));
  finding.evidence = {unanswered_and_stalled(about), worked_until(about)};
  add_initiators(service, finding);
  finding.limits.emplace_back(
      "an answer that leaves by an interface that is not captured looks the same: capture on all "
      "of them");
  limit_to_near_network(about, finding);
  finding.next = {std::string(kListRules), std::string(kConntrack)};
  add_way_back(service, finding);
  return finding;
}

// RX no answer, and the port answers nobody.
std::optional<Finding> dropped_in_silence(const Case& about) {
  if (!near_and_silent(about) || answers(about.input, about.service)) return std::nullopt;
  const ipc::TopServiceRow& row = about.service.row;
  Finding finding = begin_finding(about, Verdict::here, about.silent());
  finding.sentence = fmt::format(
      "{} answers nobody: {} silently drops the SYNs, or the service hangs and its queue is "
      "full.",
      name_of(row), near_place(about));
  finding.evidence = {unanswered_and_stalled(about), worked_until(about)};
  add_initiators(about.service, finding);
  if (about.service.spread == Spread::few) {
    finding.limits.emplace_back(
        "only a few initiators tried meanwhile: a filter for them alone looks the same");
  }
  finding.limits.emplace_back(
      "answers that leave by an interface that is not captured look the same");
  limit_to_near_network(about, finding);
  finding.next = {list_listeners(row.port), std::string(kListRules)};
  add_way_back(about.service, finding);
  return finding;
}

// RX no answer, some are answered, and nothing tells who drops the rest.
std::optional<Finding> partly_unanswered(const Case& about) {
  if (!near_and_silent(about)) return std::nullopt;
  Finding finding = begin_finding(about, Verdict::unknown, about.silent());
  finding.sentence = fmt::format(
      "{} leaves some attempts unanswered and answers others: an accept queue that is full at "
      "times, a "
      "filter, or connection tracking.",
      name_of(about.service.row));
  finding.evidence = {unanswered_and_stalled(about), worked_until(about)};
  add_initiators(about.service, finding);
  finding.limits.emplace_back(
      "neither the kernel's queues nor who fails tell which: ListenOverflows that grow mean the "
      "queue");
  limit_to_near_network(about, finding);
  finding.next = {list_listeners(about.service.row.port), "nstat -az TcpExtListenOverflows",
                  std::string(kConntrack), std::string(kListRules)};
  add_way_back(about.service, finding);
  return finding;
}

}  // namespace tcpeek::engine::rule
