#include "engine/pipeline/filter_sets.h"

namespace tcpeek::engine {
namespace {

// RX, TX, both or neither, by direction: for attempts that find no free slot. Never reused.
constexpr std::size_t kFirstPlain = 1;
constexpr std::size_t kPlainSets = 4;

}  // namespace

FilterSets::FilterSets() {
  static_assert(static_cast<int>(Direction::rx) == 1U << kRxFilterId &&
                    static_cast<int>(Direction::tx) == 1U << kTxFilterId,
                "the bits of Direction are those of the two filters");
  for (std::size_t directions = 0; directions < kPlainSets; ++directions) {
    const std::size_t index = find_or_make({directions});
    sets_[index].attempts = 1;
  }
}

std::size_t FilterSets::bucket_of(const Bits& bits) noexcept {
  std::uint64_t hash = 0;
  for (const std::uint64_t word : bits) hash = (hash ^ word) * 0x9e37'79b9'7f4a'7c15U;
  return static_cast<std::size_t>(hash >> (64 - kIndexBits));
}

FilterSets::Tag FilterSets::intern(const Ruleset& rules, const MatchKey& key) noexcept {
  Bits bits{};
  rules.matcher().for_each_match(key, [&](std::size_t index) {
    const FilterId id = rules.counted()[index].id;
    bits[id / 64] |= std::uint64_t{1} << (id % 64);
  });
  const std::size_t index = find_or_make(bits);
  if (index == 0) {
    ++overflowed_;
    const std::size_t plain = kFirstPlain + (key.directions & (kPlainSets - 1));
    ++sets_[plain].attempts;
    return tag_of(plain, sets_[plain]);
  }
  Set& set = sets_[index];
  ++set.attempts;
  const Tag tag = tag_of(index, set);
  known_[cache_index_of(key)] = {key, tag};
  return tag;
}

// 0: no free slot.
std::size_t FilterSets::find_or_make(const Bits& bits) noexcept {
  const std::size_t bucket = bucket_of(bits);
  for (std::size_t index = buckets_[bucket]; index != 0; index = sets_[index].next) {
    if (sets_[index].words != bits) continue;
    sets_[index].generation = generation_;
    return index;
  }
  const std::size_t index = free_slot();
  if (index == 0) return 0;
  Set& set = sets_[index];
  set.words = bits;
  set.summary = 0;
  for (std::size_t i = 0; i < kFilterWords; ++i) {
    set.summary |= std::uint64_t{bits[i] != 0} << i;
  }
  set.generation = generation_;
  set.used = true;
  set.next = buckets_[bucket];
  buckets_[bucket] = static_cast<std::uint16_t>(index);
  return index;
}

std::size_t FilterSets::free_slot() noexcept {
  if (used_bound_ < kMostSets) return used_bound_++;
  for (std::size_t tries = 0; tries < kMostTries; ++tries) {
    const std::size_t index = hand_;
    hand_ = hand_ + 1 < kMostSets ? hand_ + 1 : 1;
    if (sets_[index].used && sets_[index].attempts != 0) continue;
    if (sets_[index].used) drop(index);
    return index;
  }
  return 0;
}

void FilterSets::drop(std::size_t index) noexcept {
  Set& set = sets_[index];
  std::uint16_t* link = &buckets_[bucket_of(set.words)];
  while (*link != index) link = &sets_[*link].next;
  *link = set.next;
  set.used = false;
  ++set.stamp;
}

// Sets of attempts that have not ended stay; other sets of older rules are dropped, so that a filter's
// number can be reassigned once its last attempt has ended.
void FilterSets::go_by(const Ruleset& rules) noexcept {
  if (rules.generation() == generation_) return;
  generation_ = rules.generation();
  known_ = {};
  for (std::size_t index = 1; index < used_bound_; ++index) {
    if (sets_[index].used && sets_[index].attempts == 0) drop(index);
  }
}

}  // namespace tcpeek::engine
