// SYNs that left and were not answered, seen from the initiator's side or from between. What was captured had
// passed this host's own filters; what answers besides tells how far it came.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "engine/explain/rules.h"
#include "engine/explain/words.h"

namespace tcpeek::engine::rule {
namespace {

using ipc::Finding;
using ipc::Verdict;

// Silent hosts of one network, the service's own included, that are no chance.
constexpr std::size_t kSeveralHosts = 3;

bool far_and_silent(const Case& about) noexcept {
  return about.vantage != Vantage::responder && about.silent() > 0;
}

std::string unanswered_share(const Case& about) {
  return share(about, about.silent(), "not answered");
}

// It answered after the silence may have begun: what answered before tells nothing of now.
bool answered_since(const Case& about, const ServiceFacts& other) {
  const ipc::TopServiceRow& silent = about.service.row;
  const ipc::TopTime since = silent.last_success ? silent.last_success : silent.counting_since;
  const ipc::TopTime answer = succeeds(about.input, other) ? other.row.last_success
                              : refuses(other)             ? other.last_refusal
                                                           : other.row.last_failure;
  return !since || !answer || *answer >= *since;
}

const ServiceFacts* first_that_answers(const Case& about,
                                       const std::vector<const ServiceFacts*>& others) {
  const auto found = std::ranges::find_if(others, [&](const ServiceFacts* other) {
    return answers(about.input, *other) && answered_since(about, *other);
  });
  return found == others.end() ? nullptr : *found;
}

std::string answered(const Case& about, const ServiceFacts& other) {
  if (succeeds(about.input, other)) {
    return fmt::format("{} answered meanwhile: its last success was {}", name_of(other.row),
                       ago(about.input, other.row.last_success));
  }
  return fmt::format("{} {} meanwhile, so that host is up", name_of(other.row),
                     refuses(other) ? "refused" : "sent SYN/ACKs");
}

std::set<std::string> silent_hosts(const Case& about) {
  std::set<std::string> hosts{about.service.row.address};
  for (const ServiceFacts* other : about.other_hosts) {
    if (is_silent(about.input, *other)) hosts.insert(other->row.address);
  }
  return hosts;
}

}  // namespace

// One 4-tuple is dead while others between the same ends succeed; seen from either end.
std::optional<Finding> stuck_tuple(const Case& about) {
  const ServiceFacts& service = about.service;
  if (service.stuck_tuples == 0 || service.stuck_tuples * 2 < about.silent()) return std::nullopt;
  if (!succeeds(about.input, service)) return std::nullopt;
  Finding finding =
      begin_finding(about, Verdict::path, std::max(about.silent(), service.stuck_tuples));
  finding.sentence = fmt::format(
      "Single source ports get no answer from {} while the same initiators succeed from others: a "
      "connection-tracking or NAT entry is in the way.",
      name_of(service.row));
  finding.evidence = {
      fmt::format("{} stayed unanswered while others of the same pair of hosts succeeded",
                  count_of(service.stuck_tuples, "4-tuple", "4-tuples")),
      worked_until(about)};
  finding.limits = {
      "which device has the entry cannot be seen; a responder that still holds the old "
      "connection in TIME-WAIT answers with an ACK and is not meant"};
  finding.next = {fmt::format("conntrack -L -p tcp --dport {}", service.row.port),
                  std::string(kConntrack)};
  return finding;
}

// TX no answer: several hosts of one network, none of which answers.
std::optional<Finding> network_dark(const Case& about) {
  if (!far_and_silent(about) || !is_silent(about.input, about.service)) return std::nullopt;
  if (first_that_answers(about, about.other_hosts) != nullptr) return std::nullopt;
  if (first_that_answers(about, about.other_ports) != nullptr) return std::nullopt;
  const std::set<std::string> hosts = silent_hosts(about);
  if (hosts.size() < kSeveralHosts) return std::nullopt;
  Finding finding = begin_finding(about, Verdict::path, about.silent());
  finding.sentence = fmt::format(
      "No host of {} answers: the path to that network is down, or a filter drops all of it.",
      about.service.network);
  finding.evidence = {fmt::format("{} hosts of it were tried {}, and none answered on any port",
                                  hosts.size(), period(about.input)),
                      fmt::format("{}: {}", name_of(about.service.row), unanswered_share(about)),
                      worked_until(about)};
  finding.limits = {"hosts that are all down, or do not exist, look the same",
                    "the path is judged by this network alone: other networks may use another one"};
  finding.next = {trace_path(about.service.row), look_up_route(about.service.row.address)};
  return finding;
}

// TX no answer, and the same port answers others from here.
std::optional<Finding> unanswered_there(const Case& about) {
  if (!far_and_silent(about) || !succeeds(about.input, about.service)) return std::nullopt;
  // Where SYNs get lost, all that an attempt sends may.
  const bool lossy = many_repeats(about.service);
  Finding finding = begin_finding(about, lossy ? Verdict::unknown : Verdict::there, about.silent());
  finding.sentence = fmt::format(
      "{} answers some attempts and leaves others unanswered: its accept queue or a filter there, "
      "{} the path.",
      name_of(about.service.row), lossy ? "or loss on" : "not");
  finding.evidence = {unanswered_share(about), worked_until(about)};
  finding.limits = {
      "a path so lossy that every repetition of a SYN dies looks the same; then other services "
      "there suffer, too"};
  finding.next = {try_port(about.service.row)};
  if (lossy) finding.next.push_back(trace_path(about.service.row));
  return finding;
}

// TX no answer, and the host answers other ports.
std::optional<Finding> service_silent(const Case& about) {
  if (!far_and_silent(about) || !is_silent(about.input, about.service)) return std::nullopt;
  const ServiceFacts* const other = first_that_answers(about, about.other_ports);
  if (other == nullptr) return std::nullopt;
  Finding finding = begin_finding(about, Verdict::there, about.silent());
  finding.sentence = fmt::format(
      "{} answers nobody while its host answers other ports: that service or a filter for its "
      "port, not "
      "the path.",
      name_of(about.service.row));
  finding.evidence = {unanswered_share(about), answered(about, *other), worked_until(about)};
  finding.limits = {"a device on the way may filter this port alone, and answer for the others"};
  finding.next = {try_port(about.service.row), trace_port(about.service.row)};
  return finding;
}

// TX no answer: no port of the host answers, but its neighbours do.
std::optional<Finding> host_silent(const Case& about) {
  if (!far_and_silent(about) || !is_silent(about.input, about.service)) return std::nullopt;
  const ServiceFacts* const neighbour = first_that_answers(about, about.other_hosts);
  if (neighbour == nullptr) return std::nullopt;
  Finding finding = begin_finding(about, Verdict::there, about.silent());
  finding.sentence = fmt::format(
      "{} does not answer, but other hosts of {} do: that host is down, or a filter in front of it "
      "drops the SYNs.",
      about.service.row.address, about.service.network);
  finding.evidence = {unanswered_share(about), answered(about, *neighbour), worked_until(about)};
  const auto as_silent = std::ranges::count_if(
      about.other_ports, [&](const ServiceFacts* other) { return is_silent(about.input, *other); });
  if (as_silent != 0) {
    finding.evidence.push_back(
        fmt::format("{} tried as well, without an answer",
                    count_of(static_cast<std::uint64_t>(as_silent), "other port of it was",
                             "other ports of it were")));
  }
  finding.limits = {"neighbours of one network need not share the whole path"};
  finding.next = {fmt::format("ping -c 3 {}", about.service.row.address),
                  trace_path(about.service.row)};
  return finding;
}

// Nothing proves more.
std::optional<Finding> no_answer(const Case& about) {
  if (!far_and_silent(about)) return std::nullopt;
  Finding finding = begin_finding(about, Verdict::unknown, about.silent());
  finding.sentence = fmt::format(
      "{} does not answer; whether the host or the path is at fault cannot be told from here.",
      name_of(about.service.row));
  finding.evidence = {unanswered_share(about), worked_until(about)};
  finding.limits = {
      "no other port of this host and no other host of its network was seen to answer since"};
  if (about.vantage == Vantage::between) {
    finding.limits.emplace_back(
        "neither end is known to be near (--local says which is): answers may take another way");
  }
  finding.next = {try_port(about.service.row), trace_path(about.service.row)};
  return finding;
}

}  // namespace tcpeek::engine::rule
