// Attempts whose SYN had to be repeated before any answer, and what becomes meanwhile of the other attempts
// of the same initiator at the same service: so that one stuck 4-tuple can be told from a service, a path or
// a host in trouble.
//
// Stuck is an attempt that ends unanswered after kFewSyns SYNs or more, while others that began later
// succeeded at their first SYN, and hardly any of them had trouble, too. Of one that was sent three times
// only, more of the others are asked for, as three SYNs in a row are lost now and then on a bad path.
//
// Bounded: 256 sets of four; within a set the one that has waited longest gives way, and is never called
// stuck. Attempts are compared with those of the same reader alone.
//
// Thread contract: one reader owns it. Nothing here allocates, locks or throws.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "flowtable/attempt.h"
#include "flowtable/time.h"

namespace tcpeek::engine {

class WaitingTuples {
 public:
  static constexpr unsigned kFewSyns = 3;
  // Others that have to succeed meanwhile, for one of kFewSyns SYNs, and of more.
  static constexpr unsigned kManyOthers = 32;
  static constexpr unsigned kSomeOthers = 5;
  // At most one in that many of the others may have trouble.
  static constexpr unsigned kTroubleIn = 16;

  // `peers`: a hash of the initiator's address and of the service.
  // It is the first repetition of this attempt.
  void waits(const flowtable::Attempt& attempt, std::uint64_t peers) noexcept {
    Set& set = set_of(peers);
    for (Entry& each : set) {
      if (each.peers == peers) ++each.in_trouble;
    }
    Entry& oldest = *std::ranges::min_element(set, {}, &Entry::first_syn);
    oldest = {.peers = peers,
              .ports = ports_of(attempt),
              .first_syn = attempt.first_syn,
              .succeeded = 0,
              .in_trouble = 0};
  }
  // An attempt of theirs succeeded at its first SYN.
  void succeeded(const flowtable::Attempt& attempt, std::uint64_t peers) noexcept {
    for (Entry& each : set_of(peers)) {
      if (each.peers == peers && each.first_syn < attempt.first_syn) ++each.succeeded;
    }
  }
  // One that was repeated ends: whether it was stuck.
  [[nodiscard]] bool ended(const flowtable::Attempt& attempt, std::uint64_t peers,
                           bool unanswered) noexcept {
    for (Entry& each : set_of(peers)) {
      if (each.peers != peers || each.ports != ports_of(attempt)) continue;
      const Entry entry = each;
      each = Entry();
      const unsigned syns = attempt.handshake.dup_syns + 1U;
      const std::uint32_t wanted = syns > kFewSyns ? kSomeOthers : kManyOthers;
      return unanswered && syns >= kFewSyns && entry.succeeded >= wanted &&
             entry.in_trouble <= entry.succeeded / kTroubleIn;
    }
    return false;
  }

 private:
  struct Entry {
    std::uint64_t peers = 0;
    std::uint32_t ports = 0;  // both ends'
    flowtable::PacketTime first_syn = flowtable::PacketTime::min();
    std::uint32_t succeeded = 0;
    std::uint32_t in_trouble = 0;  // others that had to repeat their SYN since
  };
  using Set = std::array<Entry, 4>;

  [[nodiscard]] static std::uint32_t ports_of(const flowtable::Attempt& attempt) noexcept {
    return std::uint32_t{attempt.key.low_port} << 16 | attempt.key.high_port;
  }
  [[nodiscard]] Set& set_of(std::uint64_t peers) noexcept {
    return sets_[static_cast<std::size_t>(peers >> 56)];
  }

  std::array<Set, 256> sets_{};
};

}  // namespace tcpeek::engine
