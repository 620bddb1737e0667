// The link types of capture files: which are read, and their names.
//
// Thread contract: pure functions. Source: tcpdump.org/linktypes.html.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flowtable/decode.h"

namespace tcpeek::engine {

// How frames of this LINKTYPE are decoded; nullopt: they are not.
[[nodiscard]] std::optional<flowtable::LinkFraming> link_of(std::uint16_t link_type) noexcept;

// All LINKTYPEs that are decoded.
[[nodiscard]] std::vector<std::uint16_t> known_link_types();

// "EN10MB (Ethernet)", "127 (IEEE802_11_RADIO)", or the number alone.
[[nodiscard]] std::string describe_link_type(std::uint16_t link_type);

}  // namespace tcpeek::engine
