#include "engine/config/tunnel_list.h"

#include <algorithm>
#include <array>

#include "engine/base/text.h"

namespace tcpeek::engine {
namespace {

struct TunnelName {
  std::string_view name;
  flowtable::TunnelKind kind;
  bool has_port;
};

constexpr std::array kTunnelNames{
    TunnelName{"vxlan", flowtable::TunnelKind::vxlan, true},
    TunnelName{"geneve", flowtable::TunnelKind::geneve, true},
    TunnelName{"gre", flowtable::TunnelKind::gre, false},
    TunnelName{"ipip", flowtable::TunnelKind::ipip, false},
};

// "vxlan", "geneve:6082", "all".
bool add_tunnel(flowtable::Tunnels& tunnels, std::string_view item) {
  if (item == "all") {
    for (const TunnelName& known : kTunnelNames) tunnels.want(known.kind);
    return true;
  }
  const std::size_t colon = item.find(':');
  const auto known = std::ranges::find(kTunnelNames, item.substr(0, colon), &TunnelName::name);
  if (known == kTunnelNames.end()) return false;
  tunnels.want(known->kind);
  if (colon == std::string_view::npos) return true;
  const auto port = parse_number(item.substr(colon + 1), 1, 65535);
  if (!port || !known->has_port) return false;
  tunnels.use_port(known->kind, static_cast<std::uint16_t>(*port));
  return true;
}

}  // namespace

std::optional<flowtable::Tunnels> parse_tunnels(std::string_view text) {
  flowtable::Tunnels tunnels;
  if (text == "none") return tunnels;
  for (bool more = true; more;) {
    const std::size_t comma = text.find(',');
    if (!add_tunnel(tunnels, text.substr(0, comma))) return std::nullopt;
    more = comma != std::string_view::npos;
    if (more) text.remove_prefix(comma + 1);
  }
  return tunnels;
}

}  // namespace tcpeek::engine
