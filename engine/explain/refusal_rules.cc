// RSTs: to the SYN, or after the SYN/ACK. Whoever sent one is up; who that was is a matter of hop limits.
#include <fmt/format.h>

#include "engine/explain/rules.h"
#include "engine/explain/words.h"

namespace tcpeek::engine::rule {
namespace {

using ipc::Finding;
using ipc::Verdict;

std::uint64_t refusals(const Case& about) noexcept {
  return about.service.causes.refused + about.service.causes.reset;
}

bool mostly_suspect(const Case& about) noexcept {
  return refusals(about) != 0 && about.service.rst_suspect * 2 >= refusals(about);
}

std::string refused(const Case& about) {
  const auto& causes = about.service.causes;
  if (causes.reset == 0) return share(about, causes.refused, "refused");
  return fmt::format("{}, {} reset after the SYN/ACK", share(about, causes.refused, "refused"),
                     causes.reset);
}

std::string nobody_listens(const Case& about, std::string_view where) {
  const ipc::TopServiceRow& row = about.service.row;
  if (row.success == 0) return fmt::format("Nobody listens on {}{}.", name_of(row), where);
  const std::string since =
      row.failing_since ? ": the service went down " + ago(about.input, row.failing_since) : "";
  return fmt::format("Nobody listens on {}{} any more{}.", name_of(row), where, since);
}

// What is said of the responder, wherever it is.
std::string sentence(const Case& about, std::string_view where) {
  const std::string name = name_of(about.service.row);
  switch (refusals_of(about.input, about.service)) {
    case Refusals::resets:
      return fmt::format(
          "{} answers and then resets the connection{}: the service, or a proxy in front of "
          "it, closes it at once.",
          name, where);
    case Refusals::some:
      return fmt::format(
          "{} refuses some attempts{} and accepts others: it was restarted, or one of "
          "several behind the address is down.",
          name, where);
    case Refusals::past:
      return fmt::format(
          "{} refused some attempts{} and accepted others afterwards: it was restarted.", name,
          where);
    case Refusals::nobody_listens:
      return nobody_listens(about, where);
  }
  return "";
}

}  // namespace

// A RST as many hops away as none of the responder's SYN/ACKs. A suspicion, never a proof.
std::optional<Finding> refused_on_the_way(const Case& about) {
  if (about.vantage == Vantage::responder || !mostly_suspect(about)) return std::nullopt;
  Finding finding = begin_finding(about, Verdict::path, refusals(about));
  finding.sentence = fmt::format(
      "Attempts at {} are refused, and it seems not by that host: a device on the way is "
      "suspected.",
      name_of(about.service.row));
  finding.evidence = {
      refused(about),
      fmt::format("{} came from a distance unlike the host's own SYN/ACKs (hop limit)",
                  count_of(about.service.rst_suspect, "RST", "RSTs")),
      worked_until(about)};
  finding.limits = {
      "a suspicion by the hop limit: a host may use another one for RSTs, and the way may have "
      "changed"};
  finding.next = {trace_port(about.service.row), try_port(about.service.row)};
  return finding;
}

std::optional<Finding> refused_here(const Case& about) {
  if (about.vantage != Vantage::responder || refusals(about) == 0) return std::nullopt;
  Finding finding = begin_finding(about, Verdict::here, refusals(about));
  finding.sentence = sentence(about, about.service.own ? " on this host" : "");
  finding.evidence = {refused(about), worked_until(about)};
  finding.limits = {"a rule that rejects with a TCP reset looks the same"};
  limit_to_near_network(about, finding);
  finding.next = {list_listeners(about.service.row.port), "systemctl --failed",
                  std::string(kListRules)};
  return finding;
}

std::optional<Finding> refused_there(const Case& about) {
  if (about.vantage == Vantage::responder || refusals(about) == 0) return std::nullopt;
  Finding finding = begin_finding(about, Verdict::there, refusals(about));
  finding.sentence = sentence(about, "");
  finding.evidence = {refused(about)};
  if (refuses(about.service))
    finding.evidence.emplace_back("what refuses is up, so the path there and back works");
  finding.evidence.push_back(worked_until(about));
  finding.limits = {
      "a firewall may refuse in the host's name: no RST was unlike its SYN/ACKs, or there was none "
      "to "
      "compare with"};
  finding.next = {try_port(about.service.row), trace_port(about.service.row)};
  return finding;
}

}  // namespace tcpeek::engine::rule
