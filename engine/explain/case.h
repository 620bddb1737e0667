// One service as a rule sees it: its facts, its siblings, and from where it is seen. With the questions that
// several rules ask.
//
// Thread contract: plain values and pure functions. A case refers to its input, which outlives it.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/explain/explain_input.h"
#include "ipc/explain.h"

namespace tcpeek::engine {

// Which end is near. Of two near ends the responder counts: what concerns the way to it is here as well.
enum class Vantage : std::uint8_t { responder, initiator, between };

struct Case {
  Case(const ExplainInput& all, const ServiceFacts& facts);

  const ExplainInput& input;
  const ServiceFacts& service;
  std::vector<const ServiceFacts*> other_ports;  // of the same host
  std::vector<const ServiceFacts*> other_hosts;  // of the same network
  Vantage vantage;

  // Of late: no SYN/ACK came, or none has come yet.
  [[nodiscard]] std::uint64_t silent() const noexcept;
  // Of them those that are being repeated now. None while second SYNs come through: they are late, not silent.
  [[nodiscard]] std::uint64_t stalled() const noexcept;
  // The SYN/ACK came, and is being repeated now as nobody acknowledges it. None while repetitions help.
  [[nodiscard]] std::uint64_t awaiting_ack() const noexcept;
  // By others than the initiator, of late.
  [[nodiscard]] std::uint64_t failed() const noexcept;
  [[nodiscard]] const QueueFacts* queue() const noexcept;
};

// It succeeds, with some at least: the last success is of late, no run of failures followed it, and where SYNs
// are being repeated others are answered.
[[nodiscard]] bool succeeds(const ExplainInput& input, const ServiceFacts& service) noexcept;
// It refused attempts of late, and has accepted others since.
[[nodiscard]] bool accepted_since(const ServiceFacts& service) noexcept;
// What its refusals come to: resets after the SYN/ACK mostly, some beside successes, all in the past, or nobody listens.
enum class Refusals : std::uint8_t { resets, some, past, nobody_listens };
[[nodiscard]] Refusals refusals_of(const ExplainInput& input, const ServiceFacts& service) noexcept;
// It refuses: not by a RST that is suspect, and not in the past alone.
[[nodiscard]] bool refuses(const ServiceFacts& service) noexcept;
// So many successes needed a second SYN that SYNs get lost.
[[nodiscard]] bool many_repeats(const ServiceFacts& service) noexcept;
// Its host is up: it succeeds, sends SYN/ACKs that nobody acknowledges, or refuses.
[[nodiscard]] bool answers(const ExplainInput& input, const ServiceFacts& service) noexcept;
// Some attempts of late found no answer, and none did.
[[nodiscard]] bool is_silent(const ExplainInput& input, const ServiceFacts& service) noexcept;

// A finding about this service alone, with subject, figures and times; `weight` attempts are what it is about.
// Evidence, limits and commands are the rule's.
[[nodiscard]] ipc::Finding begin_finding(const Case& about, ipc::Verdict verdict,
                                         std::uint64_t weight);

}  // namespace tcpeek::engine
