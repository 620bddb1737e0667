// Services as the rules' tests need them, made in few words.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "engine/explain/explain.h"
#include "engine/explain/rules.h"

namespace tcpeek::engine::test {

inline const std::chrono::system_clock::time_point kNow{std::chrono::hours(24 * 365)};

enum class Way : std::uint8_t { rx, tx, both, neither };

// Succeeds never, and is the host's own.
inline ServiceFacts service(Way way, std::string address, std::uint16_t port = 443) {
  ServiceFacts facts;
  facts.row.address = std::move(address);
  facts.network = facts.row.address.substr(0, facts.row.address.rfind('.')) + ".0/24";
  facts.row.port = port;
  facts.row.responder_local = way == Way::rx || way == Way::both;
  facts.row.initiator_local = way == Way::tx || way == Way::both;
  facts.row.counting_since = kNow - std::chrono::hours(1);
  facts.own = true;
  return facts;
}

// So many failures of late by one cause, the last ones in a row.
inline ServiceFacts failing(ServiceFacts facts, std::uint64_t ipc::FailureCounts::*cause,
                            std::uint64_t count) {
  facts.causes.*cause += count;
  facts.row.failures.causes.*cause += count;
  facts.row.failures.total += count;
  facts.row.attempts += count;
  facts.attempts += count;
  facts.failed_in_a_row += count;
  facts.row.failing_since = kNow - std::chrono::minutes(1);
  facts.row.last_failure = kNow - std::chrono::seconds(1);
  if (cause == &ipc::FailureCounts::refused || cause == &ipc::FailureCounts::reset)
    facts.last_refusal = facts.row.last_failure;
  return facts;
}

// So many successes, the last one so long ago and with no failure after it; if that is not `lately` either,
// with all failures after it.
inline ServiceFacts succeeding(ServiceFacts facts, std::uint64_t count = 10) {
  facts.row.success += count;
  facts.row.attempts += count;
  facts.attempts += count;
  facts.row.last_success = kNow - std::chrono::milliseconds(500);
  facts.row.failing_since.reset();
  facts.failed_in_a_row = 0;
  return facts;
}

// It succeeded once, and failed ever since.
inline ServiceFacts went_down(ServiceFacts facts) {
  facts.row.success += 10;
  facts.row.attempts += 10;
  facts.row.last_success = kNow - std::chrono::minutes(2);
  return facts;
}

inline ExplainInput input(std::initializer_list<ServiceFacts> services) {
  ExplainInput all;
  all.taken = kNow;
  all.recent_at_least = std::chrono::minutes(5);
  all.recent_at_most = std::chrono::minutes(10);
  all.services = services;
  for (const ServiceFacts& facts : all.services) {
    all.attempts += facts.row.attempts;
    all.success += facts.row.success;
    all.failures += facts.row.failures.total;
  }
  all.services_known = all.services.size();
  return all;
}

inline std::optional<ipc::Finding> told(std::string_view name, const ExplainInput& all,
                                        std::size_t number = 0) {
  for (const Rule& rule : rules()) {
    if (rule.name == name) return rule.fires(Case(all, all.services.at(number)));
  }
  throw std::logic_error("no such rule");
}

// The first rule that fires for a concern, as EXPLAIN tells it.
inline std::string_view first_told(Concern concern, const ExplainInput& all,
                                   std::size_t number = 0) {
  for (const Rule& rule : rules()) {
    if (rule.concern == concern && rule.fires(Case(all, all.services.at(number)))) return rule.name;
  }
  return "";
}

}  // namespace tcpeek::engine::test
