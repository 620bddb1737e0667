// Which initiators, pairs and networks fail most of late, and of how many attempts: a sketch of failures
// for each of the three, and one of attempts for all.
//
// What is counted: initiators by address; pairs by the addresses of initiator and responder; networks by /24
// and /48 of the far end, which is the initiator, or the responder of an outgoing attempt: what an operator
// wants to know is which network out there is in trouble, and all that is outgoing comes from here.
//
// How it works: a sketch only ever grows fuller, and who was worst a day ago is not who is worst now. So
// there are two of each: one for the present window, one for the window before; when a window is over, the
// older one is cleared and begins anew. Attempts are added to the sketch a little later than they begin,
// when the lines they need have been fetched.
//
// Thread contract: one reader owns it. After construction nothing here allocates, locks or throws.
// Bounded: memory is the same whatever comes.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "engine/pipeline/address_hash.h"
#include "engine/pipeline/attempt_sketch.h"
#include "engine/pipeline/failure_sketch.h"
#include "flowtable/outcome.h"

namespace tcpeek::engine {

enum class PeerKind : std::uint8_t { initiator, pair, network };

// An attempt's ends, as these tables see them.
struct PeerEnds {
  flowtable::AddressWords initiator;
  flowtable::AddressWords responder;
  bool outgoing = false;  // the responder is the far end
};

// What is known of a peer in both windows.
struct PeerCounts {
  std::uint64_t attempts = 0;  // at most; too high by AttemptSketch::error() for few
  PeerFailures failures;
};

class PeerTables {
 public:
  static constexpr std::size_t kKinds = 3;
  static constexpr std::size_t kWindows = 2;

  // Errors: std::system_error, std::bad_alloc.
  explicit PeerTables(const AddressHash& hash) : hash_(hash) { waiting_.fill(kNone); }
  PeerTables(const PeerTables&) = delete;
  PeerTables& operator=(const PeerTables&) = delete;

  // `initiator`, `responder`: hashes of the two addresses, as AddressHash makes them.
  void opened(const PeerEnds& ends, std::uint64_t initiator, std::uint64_t responder) noexcept {
    AttemptSketch& attempts = present_->attempts;
    Cells& waiting = waiting_[next_waiting_++ % kWaiting];
    for (const AttemptSketch::Cell cell : waiting) attempts.add(cell);
    waiting = {AttemptSketch::cell_of(initiator),
               AttemptSketch::cell_of(AddressHash::of_pair(initiator, responder)),
               AttemptSketch::cell_of(hash_(network_of(far_end(ends))))};
    for (const AttemptSketch::Cell cell : waiting) attempts.prefetch(cell);
    attempts.expect(kKinds);
  }
  void failed(const PeerEnds& ends, flowtable::Cause cause, flowtable::PacketTime at) noexcept;

  void begin_window() noexcept;

  // Adds the attempts that wait to be.
  void settle() noexcept;
  // Of one window: 0 is the present one. After settle().
  [[nodiscard]] const FailureSketch& failures(PeerKind kind, std::size_t window) const noexcept {
    const bool present = window == 0;
    const Generation& first = generations_.front();
    const Generation& generation = (present_ == &first) == present ? first : generations_.back();
    return generation.failures[static_cast<std::size_t>(kind)];
  }
  // Of both. After settle().
  [[nodiscard]] PeerCounts counts(PeerKind kind, const PeerKey& key) const noexcept;
  [[nodiscard]] std::uint64_t attempts_error() const noexcept;

  [[nodiscard]] static constexpr std::size_t memory_bytes() noexcept {
    return kWindows * (AttemptSketch::memory_bytes() + kKinds * FailureSketch::memory_bytes());
  }

  // Without host bits: 24 bits of an IPv4 address, 48 of an IPv6 one.
  [[nodiscard]] static flowtable::AddressWords network_of(
      const flowtable::AddressWords& address) noexcept;

 private:
  using Cells = std::array<AttemptSketch::Cell, kKinds>;
  static constexpr Cells kNone{AttemptSketch::kNowhere, AttemptSketch::kNowhere,
                               AttemptSketch::kNowhere};

  // Attempts; what one of them needs is fetched while the others begin.
  static constexpr std::size_t kWaiting = 16;

  struct Generation {
    AttemptSketch attempts;
    std::array<FailureSketch, kKinds> failures;
  };

  [[nodiscard]] static const flowtable::AddressWords& far_end(const PeerEnds& ends) noexcept {
    return ends.outgoing ? ends.responder : ends.initiator;
  }
  [[nodiscard]] std::uint64_t hash_of(PeerKind kind, const PeerKey& key) const noexcept;

  AddressHash hash_;
  std::array<Generation, kWindows> generations_;
  Generation* present_ = generations_.data();
  std::array<Cells, kWaiting> waiting_;
  std::size_t next_waiting_ = 0;
};

inline flowtable::AddressWords PeerTables::network_of(
    const flowtable::AddressWords& address) noexcept {
  // As bytes lie in memory.
  constexpr std::array<std::uint8_t, 8> k24{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
  constexpr std::array<std::uint8_t, 8> k48{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0};
  constexpr std::array<std::uint8_t, 8> kMapped{0, 0, 0xff, 0xff, 0, 0, 0, 0};
  constexpr std::array<std::uint8_t, 8> kMappedMask{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0};
  const bool v4 = address.high == 0 && (address.low & std::bit_cast<std::uint64_t>(kMappedMask)) ==
                                           std::bit_cast<std::uint64_t>(kMapped);
  if (v4) return {0, address.low & std::bit_cast<std::uint64_t>(k24)};
  return {address.high & std::bit_cast<std::uint64_t>(k48), 0};
}

}  // namespace tcpeek::engine
