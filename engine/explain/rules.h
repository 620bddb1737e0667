// The rules by which EXPLAIN says whose a trouble is: each is a function of one service and what is known
// around it, and either fires, with a sentence, its evidence and its limits, or says nothing.
//
// Rules about the same concern exclude each other: the first that fires is told, so they stand in the order
// from the most special to the one that knows nothing more. A service may have several concerns.
//
// The table, with what each rule needs and cannot know, is in tcpeek-protocol(7) under EXPLAIN.
//
// Thread contract: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "engine/explain/case.h"
#include "ipc/explain.h"

namespace tcpeek::engine {

enum class Concern : std::uint8_t {
  silence,         // SYNs without an answer
  refusal,         // a RST to the SYN, or after the SYN/ACK
  unacknowledged,  // SYN/ACKs without an ACK
  unreachable,     // ICMP errors
  repeats,         // successes, but late
  initiator,       // ended by who began it
};

struct Rule {
  std::string_view name;
  Concern concern;
  std::optional<ipc::Finding> (*fires)(const Case&);
};

[[nodiscard]] std::span<const Rule> rules() noexcept;

// How a rule is called, which is also its name in the table.
namespace rule {
// Silence, seen where the responder is near.
std::optional<ipc::Finding> accept_queue_full(const Case& about);
std::optional<ipc::Finding> filtered_for_some(const Case& about);
std::optional<ipc::Finding> dropped_in_silence(const Case& about);
std::optional<ipc::Finding> partly_unanswered(const Case& about);
// Silence, seen from elsewhere.
std::optional<ipc::Finding> stuck_tuple(const Case& about);
std::optional<ipc::Finding> network_dark(const Case& about);
std::optional<ipc::Finding> unanswered_there(const Case& about);
std::optional<ipc::Finding> service_silent(const Case& about);
std::optional<ipc::Finding> host_silent(const Case& about);
std::optional<ipc::Finding> no_answer(const Case& about);
// Refusals.
std::optional<ipc::Finding> refused_on_the_way(const Case& about);
std::optional<ipc::Finding> refused_here(const Case& about);
std::optional<ipc::Finding> refused_there(const Case& about);
// SYN/ACKs without an ACK.
std::optional<ipc::Finding> half_open_scan(const Case& about);
std::optional<ipc::Finding> synack_dropped_here(const Case& about);
std::optional<ipc::Finding> way_back(const Case& about);
// The rest.
std::optional<ipc::Finding> router_says(const Case& about);
std::optional<ipc::Finding> option_black_hole(const Case& about);
std::optional<ipc::Finding> loss_on_path(const Case& about);
std::optional<ipc::Finding> probes(const Case& about);
std::optional<ipc::Finding> gave_up(const Case& about);
}  // namespace rule

}  // namespace tcpeek::engine
