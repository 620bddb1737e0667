// The sets of filters that attempts count in, each with a number: an attempt keeps it as its tag from its
// first SYN to its end, whatever happens to the rules meanwhile.
//
// How it works: a set is a bit per filter number, interned: attempts with equal sets share one, which
// counts those that have not ended. A cache maps the classes that the matcher finds (MatchKey) to sets,
// so the filters themselves are seldom evaluated. A set without attempts stays for the next one, until
// its slot is needed or the rules change; the tag of a reused slot finds nothing.
//
// Bounded: kMostSets at once. An attempt that finds no free slot counts under RX and TX only and is
// counted as `overflowed`.
//
// Thread contract: used by one reader. After construction nothing here allocates, locks or throws.
// Invariant: a set with attempts keeps its slot.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/base/bits.h"
#include "engine/filters/ruleset.h"
#include "flowtable/attempt.h"
#include "flowtable/page_array.h"

namespace tcpeek::engine {

class FilterSets {
 public:
  using Tag = std::uint32_t;

  static constexpr std::size_t kMostSets = 1U << 14;

  // Errors: std::system_error when there is no memory.
  FilterSets();

  // The set of a new attempt, in as many bits as its tag has; close() it when the attempt ends. The key is from the matcher of `rules`,
  // which are those last given to go_by(), or the first ones.
  [[nodiscard]] Tag open(const Ruleset& rules, const MatchKey& key) noexcept {
    const Known& known = known_[cache_index_of(key)];
    if (known.tag != 0 && known.key == key && valid(known.tag)) [[likely]] {
      ++set_of(known.tag).attempts;
      return known.tag;
    }
    return intern(rules, key);
  }
  void close(Tag tag) noexcept {
    Set& set = set_of(tag);
    if (--set.attempts == 0 && set.generation != generation_) [[unlikely]]
      drop(index_of(tag));
  }

  // From now on keys are those of these rules.
  void go_by(const Ruleset& rules) noexcept;

  // Calls fn(FilterId) for each filter of the set but RX and TX, ascending. False: the set is empty, without
  // those two as well, or gone.
  template <class Fn>
  bool for_each_named(Tag tag, Fn&& fn) const noexcept {
    if (!valid(tag)) [[unlikely]]
      return false;
    const Set& set = sets_[index_of(tag)];
    for_each_bit(set.words[0] & ~kSides, [&](std::size_t bit) { fn(static_cast<FilterId>(bit)); });
    if ((set.summary & ~std::uint64_t{1}) != 0) [[unlikely]] {
      for_each_bit(set.summary & ~std::uint64_t{1}, [&](std::size_t word) {
        for_each_bit(set.words[word],
                     [&](std::size_t bit) { fn(static_cast<FilterId>(word * 64 + bit)); });
      });
    }
    return set.summary != 0;
  }

  // The bits of a set in use: which words are not zero, and the words.
  [[nodiscard]] std::uint64_t summary(Tag tag) const noexcept {
    return sets_[index_of(tag)].summary;
  }
  [[nodiscard]] std::uint64_t word(Tag tag, std::size_t i) const noexcept {
    return sets_[index_of(tag)].words[i];
  }

  [[nodiscard]] std::uint64_t overflowed() const noexcept { return overflowed_; }

 private:
  static_assert(kFilterWords <= 64, "one bit of the summary for each word");

  using Bits = std::array<std::uint64_t, kFilterWords>;
  static constexpr std::uint64_t kSides = 1U << kRxFilterId | 1U << kTxFilterId;

  // Nearly every set has its bits in the first word: what an attempt touches is one cache line.
  struct alignas(64) Set {
    std::uint64_t summary;     // a bit for each word that is not zero
    std::uint32_t attempts;    // that have not ended
    std::uint32_t generation;  // of the rules that made it
    std::uint32_t stamp;       // how often the slot was reused
    std::uint16_t next;        // in the same bucket; 0: none
    bool used;
    Bits words;
  };

  struct Known {
    MatchKey key;
    Tag tag = 0;
  };

  // A tag: the slot and its stamp. Slot 0 is never used, so no tag is 0.
  static constexpr unsigned kIndexBits = 14;
  static constexpr std::uint32_t kStampMask = flowtable::Attempt::kTagMask >> kIndexBits;
  static constexpr std::size_t kKnown = 1024;
  static constexpr std::size_t kBuckets = kMostSets;
  // Slots examined in search of one that may be reused.
  static constexpr std::size_t kMostTries = 64;

  static_assert(kMostSets == 1U << kIndexBits);

  [[nodiscard]] static std::size_t index_of(Tag tag) noexcept { return tag & (kMostSets - 1); }
  [[nodiscard]] static Tag tag_of(std::size_t index, const Set& set) noexcept {
    return static_cast<Tag>(index) | (set.stamp & kStampMask) << kIndexBits;
  }
  [[nodiscard]] bool valid(Tag tag) const noexcept {
    const Set& set = sets_[index_of(tag)];
    return set.used && (set.stamp & kStampMask) == tag >> kIndexBits;
  }
  [[nodiscard]] Set& set_of(Tag tag) noexcept { return sets_[index_of(tag)]; }

  [[nodiscard]] static std::size_t cache_index_of(const MatchKey& key) noexcept {
    const std::uint64_t packed = std::uint64_t{key.rx_class} << 48 |
                                 std::uint64_t{key.tx_class} << 32 |
                                 std::uint64_t{key.port_class} << 16 | key.directions;
    return static_cast<std::size_t>((packed * 0x9e37'79b9'7f4a'7c15U) >> 54);
  }
  static_assert(kKnown == 1U << (64 - 54));

  [[nodiscard]] Tag intern(const Ruleset& rules, const MatchKey& key) noexcept;
  [[nodiscard]] std::size_t find_or_make(const Bits& bits) noexcept;
  [[nodiscard]] std::size_t free_slot() noexcept;
  void drop(std::size_t index) noexcept;
  [[nodiscard]] static std::size_t bucket_of(const Bits& bits) noexcept;

  flowtable::PageArray<Set> sets_{kMostSets, flowtable::PageArray<Set>::Untouched()};
  std::array<std::uint16_t, kBuckets> buckets_{};  // first set of each; 0: none
  std::array<Known, kKnown> known_{};
  std::size_t used_bound_ = 1;  // no slot from here on was ever used
  std::size_t hand_ = 1;        // the next slot to examine for reuse
  std::uint32_t generation_ = 0;
  std::uint64_t overflowed_ = 0;
};

}  // namespace tcpeek::engine
