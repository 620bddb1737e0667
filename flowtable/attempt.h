// One connection attempt as the table keeps it: 80 bytes, IPv4 or IPv6.
//
// Thread contract: owned by the one reader whose table it is in.
#pragma once

#include <chrono>
#include <cstdint>
#include <type_traits>

#include "flowtable/flow_key.h"
#include "flowtable/handshake.h"
#include "flowtable/time.h"

namespace tcpeek::flowtable {

struct Attempt {
  FlowKey key;
  std::uint32_t tag = 0;  // set by the observer at the first SYN
  PacketTime first_syn{};
  Handshake handshake;

  [[nodiscard]] Sender initiator() const noexcept {
    return (handshake.holder_bits & kInitiatorHigh) != 0 ? Sender::high : Sender::low;
  }
  [[nodiscard]] Endpoint initiator_end() const noexcept { return key.end(initiator()); }
  [[nodiscard]] Endpoint responder_end() const noexcept { return key.end(other(initiator())); }

  void set_initiator(Sender s) noexcept {
    handshake.holder_bits = s == Sender::high ? kInitiatorHigh : 0;
  }

  [[nodiscard]] bool pending() const noexcept { return is_pending(handshake.phase); }
  [[nodiscard]] PacketTime last_segment() const noexcept {
    return first_syn + std::chrono::microseconds(handshake.last_us());
  }

 private:
  static constexpr std::uint8_t kInitiatorHigh = 1;
};

static_assert(sizeof(Attempt) == 80 && std::is_trivially_copyable_v<Attempt>,
              "with 6.4 bytes of index and deadline, at 93% load, 93 bytes an attempt");

}  // namespace tcpeek::flowtable
