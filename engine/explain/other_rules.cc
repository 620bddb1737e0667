// SYN/ACKs that were never acknowledged, ICMP errors, successes that came late, and what initiators end
// themselves.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "engine/explain/rules.h"
#include "engine/explain/words.h"

namespace tcpeek::engine::rule {
namespace {

using ipc::Finding;
using ipc::Verdict;

// Fewer of these are worth no word.
constexpr std::uint64_t kFewestEndedByInitiator = 3;
constexpr std::uint64_t kNearlyAll = 10;  // all but one in so many

std::uint64_t unacknowledged(const Case& about) noexcept {
  return about.service.causes.no_ack + about.service.causes.half_open;
}

// Those that wait still are no failures yet.
std::uint64_t without_ack(const Case& about) noexcept {
  return about.service.causes.no_ack + about.awaiting_ack();
}

std::string never_acknowledged(const Case& about) {
  const std::uint64_t awaited = about.awaiting_ack();
  std::string text = share(about, without_ack(about), "answered and never acknowledged");
  if (awaited != 0) text += fmt::format(", {} of them being answered again now", awaited);
  return text;
}

std::string not_acknowledged(const Case& about) {
  const auto& causes = about.service.causes;
  const std::string silent = never_acknowledged(about);
  if (causes.half_open == 0) return silent;
  return fmt::format("{}, {} answered and then reset by the initiator's host", silent,
                     causes.half_open);
}

std::string repeated(const Case& about) {
  return share(about, about.service.repeated_successes,
               "successful only after the SYN had been repeated");
}

// Whose word an ICMP error is.
Verdict verdict_of(const Case& about) noexcept {
  if (!about.service.router) return Verdict::unknown;
  if (!about.service.router->is_responder) return Verdict::path;
  return about.vantage == Vantage::responder ? Verdict::here : Verdict::there;
}

// What became of first SYNs whose attempts succeed by a second one, as far as it is seen from here.
struct FirstSyns {
  Verdict verdict;
  std::string_view means;
};

FirstSyns first_syns(const Case& about) noexcept {
  if (about.vantage != Vantage::responder) return {Verdict::path, ": the path loses packets."};
  // On the responder's side the first SYN is seen, so it was not lost before.
  const std::uint64_t repeated = about.service.repeated_successes;
  const std::uint64_t answered = about.service.answered_twice;
  if (answered * kNearlyAll >= repeated * (kNearlyAll - 1)) {
    return {Verdict::path,
            ", though the first one was answered: the way back to the initiators loses packets."};
  }
  if (answered * kNearlyAll <= repeated) {
    return {
        Verdict::here,
        ", though the first one arrived: it is dropped here, by an accept queue that is full at "
        "times or by a filter."};
  }
  return {Verdict::unknown,
          ", though the first one arrived: some are answered and the way back loses that, others "
          "are dropped here."};
}

}  // namespace

// SYN/ACKs that their receivers know nothing of, or very many that nobody takes up.
std::optional<Finding> half_open_scan(const Case& about) {
  const auto& causes = about.service.causes;
  if (about.vantage == Vantage::initiator || unacknowledged(about) == 0) return std::nullopt;
  const bool disowned =
      causes.half_open >= kFewestEndedByInitiator && causes.half_open >= causes.no_ack;
  const bool from_many =
      about.service.spread == Spread::many && unacknowledged(about) * 2 > causes.total();
  if (!disowned && !from_many) return std::nullopt;
  Finding finding = begin_finding(about, Verdict::initiator, unacknowledged(about));
  finding.sentence = fmt::format(
      "{} is being scanned (half-open), or receives SYNs with forged source addresses: nobody "
      "meant to connect.",
      name_of(about.service.row));
  finding.evidence = {not_acknowledged(about)};
  if (from_many) {
    finding.evidence.emplace_back("they come from many addresses, each of which rarely fails");
  }
  if (!about.service.initiators.empty()) finding.evidence.push_back("from: " + who(about.service));
  finding.limits = {
      "a broken way back, by which SYN/ACKs reach nobody, looks the same if very many clients use "
      "it",
      "a device on the way that resets in the initiator's name looks the same"};
  finding.next = {"nstat -az TcpExtSyncookiesSent TcpExtTCPReqQFullDoCookies",
                  "ss -ltn state syn-recv"};
  return finding;
}

// TX: the SYN/ACK arrived, and this host sent no ACK.
std::optional<Finding> synack_dropped_here(const Case& about) {
  const std::uint64_t weight = without_ack(about);
  if (about.vantage != Vantage::initiator || weight == 0) return std::nullopt;
  Finding finding = begin_finding(about, Verdict::here, weight);
  finding.sentence = fmt::format("{} answers, but {} does not take the SYN/ACK: a filter drops it.",
                                 name_of(about.service.row), near_place(about));
  finding.evidence = {never_acknowledged(about), worked_until(about)};
  finding.limits = {
      "an ACK that leaves by an interface that is not captured looks the same, and so does a "
      "scanner on this host that sends its own SYNs"};
  limit_to_near_network(about, finding);
  finding.next = {std::string(kListRules), "nstat -az TcpExtIPReversePathFilter",
                  look_up_route(about.service.row.address)};
  return finding;
}

// RX: the SYN/ACK left, and nothing came back.
std::optional<Finding> way_back(const Case& about) {
  const std::uint64_t weight = without_ack(about);
  if (about.vantage == Vantage::initiator || weight == 0) return std::nullopt;
  Finding finding = begin_finding(about, Verdict::path, weight);
  finding.sentence = fmt::format(
      "{} answers, but some initiators never acknowledge: the way back to them loses the SYN/ACK, "
      "or "
      "they gave up.",
      name_of(about.service.row));
  finding.evidence = {not_acknowledged(about), worked_until(about)};
  if (!about.service.initiators.empty()) finding.evidence.push_back("who: " + who(about.service));
  finding.limits = {"a scan from few addresses looks the same",
                    "ACKs that arrive by an interface that is not captured look the same"};
  limit_to_near_network(about, finding);
  const bool known = !about.service.initiators.empty();
  if (known) finding.next = {look_up_route(about.service.initiators.front().address)};
  finding.next.emplace_back(kListRules);
  return finding;
}

std::optional<Finding> router_says(const Case& about) {
  const std::uint64_t weight = about.service.causes.unreachable;
  if (weight == 0) return std::nullopt;
  Finding finding = begin_finding(about, verdict_of(about), weight);
  const std::string name = name_of(about.service.row);
  finding.evidence = {share(about, weight, "ended by an ICMP error"), worked_until(about)};
  if (const auto& router = about.service.router) {
    finding.sentence =
        router->is_responder
            ? fmt::format("{} itself says of {}: {}.", router->address, name, router->says)
            : fmt::format("The router {} says of {}: {}.", router->address, name, router->says);
    finding.evidence.push_back(
        fmt::format("the last one came from {}: {}", router->address, router->says));
    finding.limits = {
        "it is that device's word: ICMP errors can be forged, and others may have said otherwise"};
    finding.next = {look_up_route(about.service.row.address), trace_path(about.service.row),
                    fmt::format("ping -c 3 {}", router->address)};
  } else {
    finding.sentence = fmt::format("Attempts at {} end by ICMP errors.", name);
    finding.limits = {"who sent them, and what they said, is not known any more"};
    finding.next = {look_up_route(about.service.row.address), trace_path(about.service.row)};
  }
  return finding;
}

// The SYN with an option (ECN, Fast Open) dies, the plain repetition comes through.
std::optional<Finding> option_black_hole(const Case& about) {
  const ServiceFacts& service = about.service;
  if (service.option_black_holes < kFewestEndedByInitiator) return std::nullopt;
  if (service.option_black_holes * 2 < service.repeated_successes) return std::nullopt;
  Finding finding = begin_finding(about, Verdict::path, service.option_black_holes);
  finding.sentence = fmt::format(
      "SYNs with ECN or Fast Open to {} are lost, plain ones come through: a device on the way "
      "drops "
      "the option.",
      name_of(service.row));
  finding.evidence = {
      fmt::format(
          "{}: the first SYN had the option and no answer, the plain repetition was answered",
          attempts(service.option_black_holes)),
      repeated(about)};
  finding.limits = {"chance losses of first SYNs look the same when few: it should be all of them"};
  finding.next = {"sysctl net.ipv4.tcp_ecn net.ipv4.tcp_fastopen", trace_port(service.row)};
  return finding;
}

std::optional<Finding> loss_on_path(const Case& about) {
  const ServiceFacts& service = about.service;
  if (!many_repeats(service)) return std::nullopt;
  const FirstSyns first = first_syns(about);
  Finding finding = begin_finding(about, first.verdict, service.repeated_successes);
  const double percent =
      100.0 * static_cast<double>(service.repeated_successes) /
      static_cast<double>(std::max(service.attempts, service.repeated_successes));
  finding.sentence = fmt::format("{:.1f}% of the attempts at {} succeed only at a second SYN{}",
                                 percent, name_of(service.row), first.means);
  finding.evidence = {repeated(about), worked_until(about)};
  finding.limits = {
      "an accept queue that is full at times looks the same; it hits one port, loss hits all that "
      "use the path"};
  finding.next = {trace_path(service.row), "nstat -az TcpExtTCPSynRetrans TcpExtListenOverflows"};
  return finding;
}

// Ended after the SYN/ACK by the initiator, on purpose.
std::optional<Finding> probes(const Case& about) {
  const std::uint64_t weight = about.service.causes.probe;
  if (weight < kFewestEndedByInitiator) return std::nullopt;
  Finding finding = begin_finding(about, Verdict::initiator, weight);
  finding.sentence = fmt::format("{} is probed: connections are reset as soon as it answers.",
                                 name_of(about.service.row));
  finding.evidence = {share(about, weight, "reset by the initiator instead of being acknowledged")};
  finding.limits = {
      "one address that does so regularly is a health check, one that tries many ports or hosts is "
      "a scan"};
  finding.next = {"tcpdump -n 'tcp[tcpflags] & tcp-rst != 0' and port " +
                  std::to_string(about.service.row.port)};
  return finding;
}

// Reset by the initiator before any answer, or, seen from its side, without its host knowing of the attempt.
std::optional<Finding> gave_up(const Case& about) {
  const bool near = about.vantage == Vantage::initiator;
  const auto& causes = about.service.causes;
  const std::uint64_t weight = causes.aborted + (near ? causes.half_open : 0);
  if (weight < kFewestEndedByInitiator) return std::nullopt;
  Finding finding = begin_finding(about, Verdict::initiator, weight);
  finding.sentence = fmt::format("Initiators give up on {} before the handshake ends.",
                                 name_of(about.service.row));
  finding.evidence = {share(about, weight, "ended by a RST of the initiator"), worked_until(about)};
  finding.limits = {
      "why they do is not seen: a service that answers late makes impatient clients give up, too"};
  finding.next = {try_port(about.service.row)};
  return finding;
}

}  // namespace tcpeek::engine::rule
