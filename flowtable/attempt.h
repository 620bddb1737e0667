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
  std::uint32_t tag : 24 = 0;  // set by the observer at the first SYN
  std::uint32_t interface_high : 8 = 0;
  PacketTime first_syn{};
  Handshake handshake;

  [[nodiscard]] Sender initiator() const noexcept {
    return (handshake.holder_bits & kInitiatorHigh) != 0 ? Sender::high : Sender::low;
  }
  [[nodiscard]] Endpoint initiator_end() const noexcept { return key.end(initiator()); }
  [[nodiscard]] Endpoint responder_end() const noexcept { return key.end(other(initiator())); }
  [[nodiscard]] const IpAddress& responder_address() const noexcept {
    return initiator() == Sender::low ? key.high_address : key.low_address;
  }

  // Of an attempt that begins: clears the other marks.
  void set_initiator(Sender s) noexcept {
    handshake.holder_bits = (s == Sender::high ? kInitiatorHigh : 0U) & kAllBits;
  }
  // Another SYN may take this one's place (candidates.h).
  [[nodiscard]] bool has_candidate() const noexcept {
    return (handshake.holder_bits & kHasCandidate) != 0;
  }
  void set_candidate(bool has) noexcept {
    const unsigned others = handshake.holder_bits & ~kHasCandidate;
    handshake.holder_bits = (others | (has ? kHasCandidate : 0U)) & kAllBits;
  }

  // The responder is this host itself, at an interface that is captured: set by the observer at the
  // first SYN.
  [[nodiscard]] bool has_own_responder() const noexcept {
    return (handshake.holder_bits & kOwnResponder) != 0;
  }
  void set_own_responder() noexcept {
    handshake.holder_bits = (handshake.holder_bits | kOwnResponder) & kAllBits;
  }

  // The interface that saw the first SYN: sixteen bits of its index, of which the handshake keeps eight.
  [[nodiscard]] std::uint16_t interface() const noexcept {
    const unsigned high = interface_high;
    return static_cast<std::uint16_t>(high << 8 | (handshake.syn_interface ^ high));
  }
  void set_interface(std::uint32_t index) noexcept { interface_high = index >> 8 & 0xff; }

  static constexpr std::uint32_t kTagMask = 0xff'ffff;

  [[nodiscard]] bool pending() const noexcept { return is_pending(handshake.phase); }
  // Of a SYN that was repeated after a failure, or that crossed.
  [[nodiscard]] PacketTime other_syn() const noexcept {
    return after(Handshake::since_syn(handshake.last_answer_us));
  }
  [[nodiscard]] PacketTime last_segment() const noexcept { return after(handshake.last_us()); }
  // Of the ICMP error that is noted.
  [[nodiscard]] PacketTime error_time() const noexcept { return after(handshake.error_us()); }

 private:
  [[nodiscard]] PacketTime after(std::int64_t us) const noexcept {
    return first_syn + std::chrono::microseconds(us);
  }

  static constexpr unsigned kInitiatorHigh = 1;
  static constexpr unsigned kHasCandidate = 2;
  static constexpr unsigned kOwnResponder = 4;
  static constexpr unsigned kAllBits = 7;
};

static_assert(sizeof(Attempt) == 80 && std::is_trivially_copyable_v<Attempt>,
              "with 6.4 bytes of index and deadline, at 93% load, 93 bytes an attempt");

}  // namespace tcpeek::flowtable
