// The tunnels that --decap names: "vxlan:4790,gre", "all", "none".
//
// Thread contract: a pure function.
#pragma once

#include <optional>
#include <string_view>

#include "flowtable/tunnels.h"

namespace tcpeek::engine {

// None if the text is no such list.
[[nodiscard]] std::optional<flowtable::Tunnels> parse_tunnels(std::string_view text);

}  // namespace tcpeek::engine
