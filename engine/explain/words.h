// Pieces of the sentences that rules write: counts, places, times, commands.
//
// Thread contract: pure functions. Addresses are text that we made ourselves, so commands need no quoting.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/explain/case.h"

namespace tcpeek::engine {

// "1 attempt", "3 attempts".
[[nodiscard]] std::string count_of(std::uint64_t count, std::string_view one,
                                   std::string_view many);
[[nodiscard]] std::string attempts(std::uint64_t count);
// "192.0.2.1:443", "[2001:db8::2]:443".
[[nodiscard]] std::string name_of(const ipc::TopServiceRow& row);
// "1 of 12 attempts in the last 5 to 10 minutes was refused".
[[nodiscard]] std::string share(const Case& about, std::uint64_t part, std::string_view what);
[[nodiscard]] std::string period(const ExplainInput& input);
// "12 s ago"; of a file "12 s before its end".
[[nodiscard]] std::string ago(const ExplainInput& input, const ipc::TopTime& time);
// "this host", or behind a mirror "the near network".
[[nodiscard]] std::string_view near_place(const Case& about) noexcept;
// Who fails: "10.0.0.1 (5 failures of 7 attempts)", a few.
[[nodiscard]] std::string who(const ServiceFacts& service);

// When it last worked, as evidence.
[[nodiscard]] std::string worked_until(const Case& about);
// Behind a mirror "here" is a network: what that means for a finding. Empty on the host itself.
void limit_to_near_network(const Case& about, ipc::Finding& finding);

// Commands.
[[nodiscard]] std::string list_listeners(std::uint16_t port);
[[nodiscard]] std::string try_port(const ipc::TopServiceRow& row);
[[nodiscard]] std::string trace_port(const ipc::TopServiceRow& row);
[[nodiscard]] std::string trace_path(const ipc::TopServiceRow& row);
[[nodiscard]] std::string look_up_route(std::string_view address);
inline constexpr std::string_view kListRules = "nft list ruleset";
inline constexpr std::string_view kConntrack = "conntrack -S";

}  // namespace tcpeek::engine
