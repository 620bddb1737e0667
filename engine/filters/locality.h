// Which addresses are local. An attempt is RX if its responder is local, TX if its initiator is, or both,
// or neither.
//
// Local are the addresses of the monitored interfaces and every --local network; on a loopback device
// both ends are. An object holds the kernel's state at one moment, and is replaced as a whole when an
// address changes.
//
// Thread contract: immutable once built; any number of threads may read it.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine/filters/address.h"
#include "engine/filters/filter_expression.h"

namespace tcpeek::engine {

class Locality {
 public:
  Locality() = default;
  Locality(std::vector<Address> addresses, std::vector<Prefix> networks,
           std::vector<std::uint32_t> loopback_interfaces);

  // Every address is local: for capture files without --local.
  [[nodiscard]] static Locality everywhere();

  struct Sides {
    std::uint8_t directions = 0;  // bits of Direction
    bool own_responder = false;   // its address is that of a monitored interface
  };
  [[nodiscard]] Sides sides(const Address& initiator, const Address& responder,
                            std::uint32_t interface) const noexcept {
    if (!plain_) [[unlikely]]
      return search_sides(initiator, responder, interface);
    unsigned ours = 0;
    for (const Address& address : addresses_) {
      ours |= bits_of(address == responder, address == initiator);
    }
    return sides_of(is_loopback(interface) ? bits_of(true, true) : ours, ours);
  }

  bool operator==(const Locality&) const = default;

 private:
  // Most hosts have few addresses: comparing with each is faster than two binary searches.
  static constexpr std::size_t kFew = 8;

  [[nodiscard]] static unsigned bits_of(bool responder, bool initiator) noexcept {
    return (responder ? static_cast<unsigned>(Direction::rx) : 0U) |
           (initiator ? static_cast<unsigned>(Direction::tx) : 0U);
  }
  [[nodiscard]] static Sides sides_of(unsigned directions, unsigned by_address) noexcept {
    return {static_cast<std::uint8_t>(directions), (by_address & bits_of(true, false)) != 0};
  }
  [[nodiscard]] Sides search_sides(const Address& initiator, const Address& responder,
                                   std::uint32_t interface) const noexcept;
  [[nodiscard]] bool is_loopback(std::uint32_t interface) const noexcept {
    for (const std::uint32_t looped : loopback_interfaces_) {
      if (looped == interface) return true;
    }
    return false;
  }
  // Bits of Direction by our addresses, and by --local networks.
  [[nodiscard]] unsigned by_address(const Address& initiator,
                                    const Address& responder) const noexcept;
  [[nodiscard]] unsigned by_network(const Address& initiator,
                                    const Address& responder) const noexcept;

  bool everywhere_ = false;
  bool plain_ = true;               // few addresses, no networks
  std::vector<Address> addresses_;  // sorted
  std::vector<Prefix> networks_;
  std::vector<std::uint32_t> loopback_interfaces_;
};

}  // namespace tcpeek::engine
