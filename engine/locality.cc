#include "engine/locality.h"

#include <algorithm>

namespace tcpeek::engine {

Locality::Locality(std::vector<Address> addresses, std::vector<Prefix> networks,
                   std::vector<std::uint32_t> loopback_interfaces)
    : addresses_(std::move(addresses)),
      networks_(std::move(networks)),
      loopback_interfaces_(std::move(loopback_interfaces)) {
  std::sort(addresses_.begin(), addresses_.end());
  addresses_.erase(std::unique(addresses_.begin(), addresses_.end()), addresses_.end());
}

bool Locality::is_local(const Address& address) const noexcept {
  if (std::binary_search(addresses_.begin(), addresses_.end(), address)) return true;
  return std::any_of(networks_.begin(), networks_.end(),
                     [&](const Prefix& network) { return network.contains(address); });
}

std::uint8_t Locality::directions(const Address& initiator, const Address& responder,
                                  std::uint32_t interface) const noexcept {
  const bool looped = std::find(loopback_interfaces_.begin(), loopback_interfaces_.end(),
                                interface) != loopback_interfaces_.end();
  unsigned bits = 0;
  if (looped || is_local(responder)) bits |= static_cast<unsigned>(Direction::rx);
  if (looped || is_local(initiator)) bits |= static_cast<unsigned>(Direction::tx);
  return static_cast<std::uint8_t>(bits);
}

}  // namespace tcpeek::engine
