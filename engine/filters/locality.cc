#include "engine/filters/locality.h"

#include <algorithm>

namespace tcpeek::engine {

Locality::Locality(std::vector<Address> addresses, std::vector<Prefix> networks,
                   std::vector<std::uint32_t> loopback_interfaces)
    : addresses_(std::move(addresses)),
      networks_(std::move(networks)),
      loopback_interfaces_(std::move(loopback_interfaces)) {
  std::sort(addresses_.begin(), addresses_.end());
  addresses_.erase(std::unique(addresses_.begin(), addresses_.end()), addresses_.end());
  plain_ = addresses_.size() <= kFew && networks_.empty();
}

Locality Locality::everywhere() {
  Locality locality;
  locality.everywhere_ = true;
  locality.plain_ = false;
  return locality;
}

unsigned Locality::by_address(const Address& initiator, const Address& responder) const noexcept {
  const auto is_ours = [this](const Address& address) {
    return std::binary_search(addresses_.begin(), addresses_.end(), address);
  };
  return bits_of(is_ours(responder), is_ours(initiator));
}

unsigned Locality::by_network(const Address& initiator, const Address& responder) const noexcept {
  const auto is_ours = [this](const Address& address) {
    return std::any_of(networks_.begin(), networks_.end(),
                       [&](const Prefix& network) { return network.contains(address); });
  };
  return bits_of(is_ours(responder), is_ours(initiator));
}

Locality::Sides Locality::search_sides(const Address& initiator, const Address& responder,
                                       std::uint32_t interface) const noexcept {
  const unsigned ours = by_address(initiator, responder);
  unsigned bits = ours;
  if (!networks_.empty()) bits |= by_network(initiator, responder);
  if (everywhere_ || is_loopback(interface)) bits = bits_of(true, true);
  return sides_of(bits, ours);
}

}  // namespace tcpeek::engine
