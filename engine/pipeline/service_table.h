// The services that attempts went to, without any filter: responder address and port, by direction, each
// with its counts. Fixed size.
//
// How it works: rows of 65,535 services with a number each; an open-addressed index of 32-bit words (16 bits
// of the keyed hash, and the number) finds them. An attempt keeps its service's number from its first SYN to
// its end, so the end looks nothing up; a service with pending attempts keeps its row.
//
// When all rows are in use, a new service takes one from another that has no pending attempt. Rows earn
// credit, more by failures, most by failures in a row; a hand goes round, takes credit and takes the first
// row that has none left. So a small service that keeps failing outlives busy healthy ones, and what was seen
// once goes first. A new service looks at kMostTries rows; if none can be had, its attempt counts in row 0.
//
// The error: row 0, "the others", has the counts of all services that lost their row, and of the attempts
// that found none. The rows add up to all attempts; a service's true counts exceed its row's by no more
// than row 0 has. A row says since when it has been counting.
//
// "Recent" is the present window and the one before (begin_window()).
//
// Thread contract: one reader owns a table. After construction nothing here allocates, locks or throws.
// Invariants: a row in use is in the index once; `pending` is the number of attempts that hold its number.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "engine/pipeline/address_hash.h"
#include "engine/pipeline/leg_histogram.h"
#include "engine/pipeline/legs.h"
#include "engine/pipeline/pattern.h"
#include "flowtable/flow_key.h"
#include "flowtable/handshake.h"
#include "flowtable/outcome.h"
#include "flowtable/page_array.h"
#include "flowtable/time.h"
#include "ipc/top.h"

namespace tcpeek::engine {

struct ServiceKey {
  flowtable::AddressWords address;
  std::uint16_t port = 0;
  std::uint16_t directions = 0;  // bits of Direction; 0: neither end is local

  // Without branches: it is compared for every attempt.
  bool operator==(const ServiceKey& o) const noexcept {
    return ((address.high ^ o.address.high) | (address.low ^ o.address.low) |
            std::uint64_t{numbers() ^ o.numbers()}) == 0;
  }
  [[nodiscard]] std::uint32_t numbers() const noexcept {
    return std::uint32_t{port} << 16 | directions;
  }
};

using ipc::FailureCounts;

// The count of a cause that is a failure; null for the others.
[[nodiscard]] std::uint64_t* failure_count(FailureCounts& counts, flowtable::Cause cause) noexcept;
[[nodiscard]] bool is_by_initiator(flowtable::Cause cause) noexcept;

// Of an attempt's repeated SYNs or SYN/ACKs, those that a gauge has counted one by one: as their number stops at
// 255, the ones after the 254th cannot be taken back.
inline constexpr unsigned kMostRepeatedWhilePending = 254;
[[nodiscard]] constexpr unsigned repeated_while_pending(std::uint8_t repeated) noexcept {
  return std::min<unsigned>(repeated, kMostRepeatedWhilePending);
}

// Times are 0 ("never") or nanoseconds of packet time.
struct alignas(64) Service {
  // The first line is all that an attempt's beginning and its success need, but for the legs.
  ServiceKey key;
  std::uint32_t pending = 0;
  bool watched = false;  // succeeded_watched() is to be called
  std::uint8_t ecn_died_in_a_row =
      0;  // SYNs that asked for it, where the repeated one was answered
  std::uint8_t fast_open_died_in_a_row = 0;
  std::uint64_t success = 0;
  std::int64_t last_success = 0;
  std::uint32_t failed_in_a_row = 0;
  std::uint32_t window = 0;  // that the next four are of
  std::uint32_t window_attempts = 0;
  std::uint32_t window_failures = 0;
  std::uint32_t former_attempts = 0;
  std::uint32_t former_failures = 0;

  FailureCounts failures;
  std::uint64_t evicted = 0;
  std::uint64_t dup_syns = 0;     // segments
  std::uint64_t dup_synacks = 0;  // segments
  std::int64_t counting_since = 0;
  std::int64_t failing_since = 0;  // first failure after the last success
  std::int64_t last_failure = 0;
  std::uint64_t legs_left_out = 0;  // successes whose legs are not known
  std::uint32_t retrying = 0;       // of the pending: a SYN or SYN/ACK was repeated
  std::uint32_t retrying_syns = 0;  // segments that these repeated (repeated_while_pending())
  std::uint32_t retrying_synacks = 0;
  std::uint32_t rst_suspect = 0;  // of the failures: by a RST unlike the responder's SYN/ACKs
  std::uint64_t answered_meanwhile = 0;  // successes at the first SYN while others were retrying
  std::uint32_t stuck_tuples = 0;        // patterns (pattern.h)
  std::uint32_t ecn_black_holes = 0;
  std::uint32_t fast_open_black_holes = 0;
  LegHistogram syn_to_synack;
  LegHistogram synack_to_ack;

  [[nodiscard]] std::uint64_t attempts() const noexcept {
    return success + failures.total() + evicted + pending;
  }
};

static_assert(offsetof(Service, former_attempts) == 64 && sizeof(Service) == 512);

class ServiceTable {
 public:
  using Number = std::uint16_t;

  static constexpr std::size_t kMostServices = 65'535;  // the row of the others included
  static constexpr Number kOthers = 0;
  // From which on SYNs that ask for something and die one after the other are no accident.
  static constexpr unsigned kBlackHole = 4;
  // Rows that a new service examines at most.
  static constexpr unsigned kMostTries = 8;

  // `rows`: fewer for tests; 2 at least. Errors: std::system_error when there is no memory.
  explicit ServiceTable(const AddressHash& hash, std::size_t rows = kMostServices);

  // An attempt at a service begins: its number, until ended().
  [[nodiscard]] Number opened(const ServiceKey& key, std::uint64_t hash,
                              flowtable::PacketTime at) noexcept {
    const Number number = find_or_make(key, hash, at);
    Service& row = rows_[number];
    ++row.pending;
    if (row.window != window_) [[unlikely]]
      roll(row);
    ++row.window_attempts;
    return number;
  }
  // It ends, once: one of the next four.
  void succeeded(Number number, flowtable::PacketTime at, const Times& times) noexcept {
    Service& row = succeed(number, at);
    row.syn_to_synack.add(times.responder);
    row.synack_to_ack.add(times.initiator);
  }
  void succeeded_unseen(Number number, flowtable::PacketTime at) noexcept {
    ++succeed(number, at).legs_left_out;
  }
  void failed(Number number, flowtable::Cause cause, flowtable::PacketTime at) noexcept;
  void evicted(Number number) noexcept {
    --rows_[number].pending;
    ++rows_[number].evicted;
  }
  // Of a success at the first SYN, once it is counted: whether it has to be looked at, and that it was.
  [[nodiscard]] bool is_watched(Number number) const noexcept { return rows_[number].watched; }
  void succeeded_watched(Number number, const flowtable::Handshake& handshake) noexcept;

  // Its SYN or SYN/ACK is repeated for the first time.
  void retrying(Number number) noexcept;
  // Of one that is retrying, so many more as repeated_while_pending() counts.
  void sent_again(Number number, unsigned syns, unsigned synacks) noexcept {
    rows_[number].retrying_syns += syns;
    rows_[number].retrying_synacks += synacks;
  }
  // One that was retrying is about to end, and with what pattern if it succeeds.
  void repeated(Number number, std::uint8_t syns, std::uint8_t synacks) noexcept;
  [[nodiscard]] Pattern succeeded_by_repetition(Number number,
                                                const flowtable::Handshake& handshake) noexcept;
  void stuck(Number number) noexcept { ++rows_[number].stuck_tuples; }
  void suspect_rst(Number number) noexcept { ++rows_[number].rst_suspect; }

  [[nodiscard]] std::uint64_t hash_of(const ServiceKey& key) const noexcept {
    return hash_of(key, hash_(key.address));
  }
  // With the address's hash known.
  [[nodiscard]] std::uint64_t hash_of(const ServiceKey& key, std::uint64_t address) const noexcept {
    return hash_.of_numbered(address, key.numbers());
  }
  [[nodiscard]] std::optional<Number> find(const ServiceKey& key) const noexcept;

  void begin_window() noexcept { ++window_; }
  struct Recent {
    std::uint64_t attempts = 0;
    std::uint64_t failures = 0;
  };
  [[nodiscard]] Recent recent(const Service& row) const noexcept;

  // Rows in use are 0 and those below.
  [[nodiscard]] std::size_t end() const noexcept { return end_; }
  [[nodiscard]] const Service& operator[](std::size_t number) const noexcept {
    return rows_[number];
  }
  [[nodiscard]] std::uint64_t displaced() const noexcept { return displaced_; }
  [[nodiscard]] std::size_t memory_bytes() const noexcept;
  [[nodiscard]] bool consistent() const noexcept;  // for tests

 private:
  static constexpr std::uint8_t kMostCredit = 64;
  static constexpr std::uint8_t kMostBySuccess = 8;

  [[nodiscard]] static std::uint32_t word_of(std::uint64_t hash, Number number) noexcept {
    return (static_cast<std::uint32_t>(hash) & 0xffff'0000U) | number;
  }
  [[nodiscard]] std::size_t place_of(std::uint64_t hash) const noexcept {
    return static_cast<std::size_t>(hash >> shift_);
  }
  [[nodiscard]] Number find_or_make(const ServiceKey& key, std::uint64_t hash,
                                    flowtable::PacketTime at) noexcept {
    const std::uint32_t wanted = word_of(hash, 0);
    for (std::size_t i = place_of(hash);; i = (i + 1) & mask_) {
      const std::uint32_t word = index_[i];
      if (word == 0) return make(key, hash, at);
      if ((word & 0xffff'0000U) != wanted) continue;
      const auto number = static_cast<Number>(word);
      if (rows_[number].key == key) [[likely]]
        return number;
    }
  }
  [[nodiscard]] Number make(const ServiceKey& key, std::uint64_t hash,
                            flowtable::PacketTime at) noexcept;
  [[nodiscard]] Number free_row() noexcept;
  void give_up(Number number) noexcept;
  void remove(Number number) noexcept;
  void roll(Service& row) noexcept;
  static void watch(Service& row) noexcept;
  void earn(Number number, unsigned credit, unsigned most) noexcept;
  [[nodiscard]] Service& succeed(Number number, flowtable::PacketTime at) noexcept {
    Service& row = rows_[number];
    --row.pending;
    ++row.success;
    row.last_success = std::max<std::int64_t>(row.last_success, at.time_since_epoch().count());
    row.failed_in_a_row = 0;
    if (credit_[number] < kMostBySuccess) [[unlikely]]
      ++credit_[number];
    return row;
  }

  AddressHash hash_;
  flowtable::PageArray<Service> rows_;
  flowtable::PageArray<std::uint32_t> index_;  // 0: free; at most half of it is in use
  flowtable::PageArray<std::uint8_t> credit_;
  std::size_t mask_;
  unsigned shift_;
  std::size_t end_ = 1;
  std::size_t hand_ = 1;
  std::uint32_t window_ = 0;
  std::uint64_t displaced_ = 0;
};

}  // namespace tcpeek::engine
