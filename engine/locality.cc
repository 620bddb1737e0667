#include "engine/locality.h"

#include <algorithm>
#include <cstring>

namespace tcpeek::engine {

Locality::Words Locality::words_of(const Address& address) noexcept {
  Words words;
  static_assert(sizeof words == sizeof address.bytes);
  std::memcpy(words.data(), address.bytes.data(), sizeof words);
  return words;
}

Locality::Locality(std::vector<Address> addresses, std::vector<Prefix> networks,
                   std::vector<std::uint32_t> loopback_interfaces)
    : networks_(std::move(networks)), loopback_interfaces_(std::move(loopback_interfaces)) {
  for (const Address& address : addresses) addresses_.push_back(words_of(address));
  std::sort(addresses_.begin(), addresses_.end());
  addresses_.erase(std::unique(addresses_.begin(), addresses_.end()), addresses_.end());
}

bool Locality::is_local(const Address& address) const noexcept {
  const Words words = words_of(address);
  // A host has a few addresses: then looking at all of them is less work than halving.
  constexpr std::size_t kFew = 8;
  if (addresses_.size() > kFew) {
    if (std::binary_search(addresses_.begin(), addresses_.end(), words)) return true;
  } else {
    for (const Words& ours : addresses_) {
      if (((ours[0] ^ words[0]) | (ours[1] ^ words[1])) == 0) return true;
    }
  }
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
