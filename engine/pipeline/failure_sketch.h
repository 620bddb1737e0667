// Who failed most, of any number of peers, in fixed memory.
//
// How it works: Space-Saving (Metwally, Agrawal, El Abbadi 2005) with a filter before it (Homem, Carvalho
// 2010). kEntries peers have an entry with a count. A peer without one counts in a cell that its hash
// chooses, and gets the entry of the least one only when the cell has reached that one's count; so a flood
// of peers that fail once each seldom costs more than a cell. Entries are kept in order of their counts, as
// runs of equal ones, so one more failure costs the same whatever the counts are.
//
// The error: `failures` is never too low, and too high by `error` at most. A peer without an entry failed at
// most unlisted(its hash) times, and that is at most floor(). A failure adds one to the sum of all entries'
// counts at most, so floor() is at most failures / kEntries: a peer that failed more often has an entry.
//
// Thread contract: a plain object of one thread. Nothing here allocates, locks or throws once it is made.
// Invariants: order_ is ascending by count; entries of one count are one run; no cell exceeds floor().
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "engine/pipeline/service_table.h"
#include "flowtable/flow_key.h"
#include "flowtable/page_array.h"

namespace tcpeek::engine {

// An initiator; an initiator and a responder; a network, without its host bits.
struct PeerKey {
  flowtable::IpAddress first{};
  flowtable::IpAddress second{};
  auto operator<=>(const PeerKey&) const = default;
};

[[nodiscard]] inline flowtable::IpAddress bytes_of(const flowtable::AddressWords& words) noexcept {
  return std::bit_cast<flowtable::IpAddress>(words);
}

struct PeerFailures {
  PeerKey key;
  std::uint64_t hash = 0;
  std::uint64_t failures = 0;  // at most
  std::uint64_t error = 0;     // failures - error at least
  FailureCounts counted;       // those since the entry is this peer's: failures - error in all
  std::int64_t first = 0;      // of those
  std::int64_t last = 0;
};

class FailureSketch {
 public:
  static constexpr std::size_t kEntries = 4096;

  // Errors: std::system_error when there is no memory. It is taken as failures come.
  FailureSketch() = default;

  // One more failure; `cause` is one that failure_count() knows.
  void failed(const PeerKey& key, std::uint64_t hash, flowtable::Cause cause,
              std::int64_t at) noexcept;

  // The entry of a peer, or null.
  [[nodiscard]] const PeerFailures* find(const PeerKey& key, std::uint64_t hash) const noexcept;
  // Failures that a peer without an entry can have.
  [[nodiscard]] std::uint64_t unlisted(std::uint64_t hash) const noexcept {
    return arrays().cells[cell_of(hash)];
  }
  [[nodiscard]] std::uint64_t floor() const noexcept {
    return full() ? arrays().entries[arrays().order.front()].failures : 0;
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  // By failures, the most first.
  [[nodiscard]] const PeerFailures& ranked(std::size_t rank) const noexcept {
    return arrays().entries[arrays().order[kEntries - 1 - rank]];
  }
  void clear() noexcept;
  [[nodiscard]] static constexpr std::size_t memory_bytes() noexcept { return sizeof(Arrays); }
  [[nodiscard]] bool consistent() const noexcept;  // for tests

 private:
  using Index = std::uint16_t;

  // Entries with the same count: their places in `order`.
  struct Run {
    std::uint64_t failures = 0;
    Index begin = 0;
    Index end = 0;
  };
  static constexpr std::size_t kCells = kEntries * 4;
  static constexpr std::size_t kPlaces = kEntries * 4;
  static constexpr std::uint32_t kTagMask = 0xffff'0000;

  struct Arrays {
    std::array<PeerFailures, kEntries> entries;
    std::array<Index, kEntries> order;   // entries; those in use are the last ones
    std::array<Index, kEntries> places;  // of each entry in `order`
    std::array<Index, kEntries> run_of;  // of each entry
    std::array<Run, kEntries> runs;
    std::array<Index, kEntries> free_runs;
    std::array<std::uint32_t, kPlaces>
        index;  // 0: free; else 16 bits of the hash, and the entry + 1
    std::array<std::uint32_t, kCells> cells;
  };

  [[nodiscard]] bool full() const noexcept { return size_ == kEntries; }
  [[nodiscard]] static std::size_t cell_of(std::uint64_t hash) noexcept { return hash % kCells; }
  [[nodiscard]] static std::size_t place_of(std::uint64_t hash) noexcept {
    return (hash >> 48) % kPlaces;
  }
  [[nodiscard]] static std::uint32_t tag_of(std::uint64_t hash) noexcept {
    return static_cast<std::uint32_t>(hash) & kTagMask;
  }
  [[nodiscard]] std::size_t index_of(const PeerKey& key, std::uint64_t hash) const noexcept;
  [[nodiscard]] Index take_free() noexcept;
  void begin(Index entry, const PeerKey& key, std::uint64_t hash, std::uint64_t error,
             std::int64_t at) noexcept;
  void insert(Index entry) noexcept;
  void remove(Index entry) noexcept;
  void count_up(Index entry) noexcept;
  void add_run(Index entry, Index place, std::uint64_t failures) noexcept;

  [[nodiscard]] Arrays& arrays() noexcept { return arrays_[0]; }
  [[nodiscard]] const Arrays& arrays() const noexcept { return arrays_[0]; }

  flowtable::PageArray<Arrays> arrays_{1, flowtable::PageArray<Arrays>::Untouched()};
  std::size_t size_ = 0;
  std::size_t free_run_count_ = 0;
  Index runs_used_ = 0;  // no run from here on was ever in use
};

}  // namespace tcpeek::engine
