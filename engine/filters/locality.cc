#include "engine/filters/locality.h"

#include <algorithm>

namespace tcpeek::engine {
namespace {

unsigned bits_of(bool responder, bool initiator) noexcept {
  return (responder ? static_cast<unsigned>(Direction::rx) : 0U) |
         (initiator ? static_cast<unsigned>(Direction::tx) : 0U);
}

}  // namespace

Locality::Locality(std::vector<Address> addresses, std::vector<Prefix> networks,
                   std::vector<std::uint32_t> loopback_interfaces)
    : addresses_(std::move(addresses)),
      networks_(std::move(networks)),
      loopback_interfaces_(std::move(loopback_interfaces)) {
  std::sort(addresses_.begin(), addresses_.end());
  addresses_.erase(std::unique(addresses_.begin(), addresses_.end()), addresses_.end());
}

Locality Locality::everywhere() {
  Locality locality;
  locality.everywhere_ = true;
  return locality;
}

unsigned Locality::by_address(const Address& initiator, const Address& responder) const noexcept {
  // Most hosts have few addresses: comparing with each is faster than two binary searches.
  constexpr std::size_t kFew = 8;
  if (addresses_.size() > kFew) {
    const auto is_ours = [this](const Address& address) {
      return std::binary_search(addresses_.begin(), addresses_.end(), address);
    };
    return bits_of(is_ours(responder), is_ours(initiator));
  }
  unsigned bits = 0;
  for (const Address& ours : addresses_) {
    bits |= bits_of(ours == responder, ours == initiator);
  }
  return bits;
}

unsigned Locality::by_network(const Address& initiator, const Address& responder) const noexcept {
  const auto is_ours = [this](const Address& address) {
    return std::any_of(networks_.begin(), networks_.end(),
                       [&](const Prefix& network) { return network.contains(address); });
  };
  return bits_of(is_ours(responder), is_ours(initiator));
}

bool Locality::is_loopback(std::uint32_t interface) const noexcept {
  for (const std::uint32_t looped : loopback_interfaces_) {
    if (looped == interface) return true;
  }
  return false;
}

Locality::Sides Locality::sides(const Address& initiator, const Address& responder,
                                std::uint32_t interface) const noexcept {
  const unsigned ours = by_address(initiator, responder);
  unsigned bits = ours;
  if (!networks_.empty()) bits |= by_network(initiator, responder);
  if (everywhere_ || is_loopback(interface)) bits = bits_of(true, true);
  return {static_cast<std::uint8_t>(bits), (ours & bits_of(true, false)) != 0};
}

}  // namespace tcpeek::engine
