// Which addresses are ours: what makes an attempt RX (the responder is local), TX (the initiator
// is), both or neither.
//
// Local are the addresses of the monitored interfaces and every --local network; on a loopback
// device both ends are. A snapshot of the kernel's state, replaced whole when an address changes.
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

  // Every address is local, as both ends on loopback: a capture file without --local.
  [[nodiscard]] static Locality everywhere();

  // Bits of Direction.
  [[nodiscard]] std::uint8_t directions(const Address& initiator, const Address& responder,
                                        std::uint32_t interface) const noexcept;

  bool operator==(const Locality&) const = default;

 private:
  // Bits of Direction by our addresses; the rest is asked only where there are --local networks.
  [[nodiscard]] unsigned by_address(const Address& initiator,
                                    const Address& responder) const noexcept;
  [[nodiscard]] unsigned by_network(const Address& initiator,
                                    const Address& responder) const noexcept;

  bool everywhere_ = false;
  std::vector<Address> addresses_;  // sorted
  std::vector<Prefix> networks_;
  std::vector<std::uint32_t> loopback_interfaces_;
};

}  // namespace tcpeek::engine
