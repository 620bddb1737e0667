#include "engine/pipeline/failure_sketch.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace tcpeek::engine {

static_assert(FailureSketch::kEntries < std::numeric_limits<std::uint16_t>::max());

void FailureSketch::clear() noexcept {
  if (size_ == 0) return;  // nothing was written yet, so its pages take no memory
  arrays().index.fill(0);
  arrays().cells.fill(0);
  free_run_count_ = 0;
  runs_used_ = 0;
  size_ = 0;
}

void FailureSketch::failed(const PeerKey& key, std::uint64_t hash, flowtable::Cause cause,
                           std::int64_t at) noexcept {
  const std::uint32_t word = arrays().index[index_of(key, hash)];
  Index entry = 0;
  if (word != 0) {
    entry = static_cast<Index>((word & ~kTagMask) - 1);
    count_up(entry);
  } else if (!full()) {
    entry = take_free();
    begin(entry, key, hash, 0, at);
  } else {
    std::uint32_t& cell = arrays().cells[cell_of(hash)];
    const std::uint64_t least = floor();
    if (std::uint64_t{cell} + 1 < least) {
      ++cell;
      return;
    }
    // The least one makes room, and what is known of it goes to its cell.
    const std::uint64_t error = cell;
    entry = arrays().order.front();
    std::uint32_t& its_cell = arrays().cells[cell_of(arrays().entries[entry].hash)];
    its_cell = static_cast<std::uint32_t>(std::max<std::uint64_t>(its_cell, least));
    remove(entry);
    begin(entry, key, hash, error, at);
    arrays().entries[entry].failures = least;
    if (error + 1 > least) count_up(entry);
  }
  PeerFailures& peer = arrays().entries[entry];
  if (std::uint64_t* count = failure_count(peer.counted, cause); count != nullptr) ++*count;
  peer.last = std::max(peer.last, at);
}

const PeerFailures* FailureSketch::find(const PeerKey& key, std::uint64_t hash) const noexcept {
  const std::uint32_t word = arrays().index[index_of(key, hash)];
  return word == 0 ? nullptr : &arrays().entries[(word & ~kTagMask) - 1];
}

// Where the index has a key, or where it would be.
std::size_t FailureSketch::index_of(const PeerKey& key, std::uint64_t hash) const noexcept {
  std::size_t i = place_of(hash);
  for (; arrays().index[i] != 0; i = (i + 1) % kPlaces) {
    const std::uint32_t word = arrays().index[i];
    if ((word & kTagMask) != tag_of(hash)) continue;
    const PeerFailures& peer = arrays().entries[(word & ~kTagMask) - 1];
    if (peer.hash == hash && peer.key == key) break;
  }
  return i;
}

// Nothing is less than its first failure, so it comes first.
FailureSketch::Index FailureSketch::take_free() noexcept {
  const auto entry = static_cast<Index>(size_++);
  const auto place = static_cast<Index>(kEntries - size_);
  arrays().order[place] = entry;
  arrays().places[entry] = place;
  add_run(entry, place, 1);
  return entry;
}

void FailureSketch::begin(Index entry, const PeerKey& key, std::uint64_t hash, std::uint64_t error,
                          std::int64_t at) noexcept {
  arrays().entries[entry] = {.key = key,
                             .hash = hash,
                             .failures = error + 1,
                             .error = error,
                             .counted = {},
                             .first = at,
                             .last = at};
  insert(entry);
}

// Into the index.
void FailureSketch::insert(Index entry) noexcept {
  const std::uint64_t hash = arrays().entries[entry].hash;
  std::size_t i = place_of(hash);
  while (arrays().index[i] != 0) i = (i + 1) % kPlaces;
  arrays().index[i] = tag_of(hash) | (entry + 1U);
}

// From the index; what would not be found any more behind the gap moves into it.
void FailureSketch::remove(Index entry) noexcept {
  std::size_t gap = place_of(arrays().entries[entry].hash);
  while ((arrays().index[gap] & ~kTagMask) != entry + 1U) gap = (gap + 1) % kPlaces;
  for (std::size_t i = (gap + 1) % kPlaces; arrays().index[i] != 0; i = (i + 1) % kPlaces) {
    const std::size_t place = place_of(arrays().entries[(arrays().index[i] & ~kTagMask) - 1].hash);
    if ((i - place) % kPlaces < (i - gap) % kPlaces) continue;
    arrays().index[gap] = arrays().index[i];
    gap = i;
  }
  arrays().index[gap] = 0;
}

// The last of its run, then the first of the next one.
void FailureSketch::count_up(Index entry) noexcept {
  Arrays& a = arrays();
  const Index run_index = a.run_of[entry];
  Run& run = a.runs[run_index];
  const auto last = static_cast<Index>(run.end - 1);
  const Index place = a.places[entry];
  const Index other = a.order[last];
  std::swap(a.order[place], a.order[last]);
  a.places[other] = place;
  a.places[entry] = last;
  run.end = last;
  if (run.begin == run.end) a.free_runs[free_run_count_++] = run_index;
  add_run(entry, last, ++a.entries[entry].failures);
}

// The entry, at its place, joins the run behind it, or becomes one.
void FailureSketch::add_run(Index entry, Index place, std::uint64_t failures) noexcept {
  Arrays& a = arrays();
  if (place + 1U < kEntries) {
    const Index next = a.run_of[a.order[place + 1U]];
    if (a.runs[next].failures == failures && a.runs[next].begin == place + 1U) {
      a.runs[next].begin = place;
      a.run_of[entry] = next;
      return;
    }
  }
  const Index fresh = free_run_count_ != 0 ? a.free_runs[--free_run_count_] : runs_used_++;
  a.runs[fresh] = {failures, place, static_cast<Index>(place + 1U)};
  a.run_of[entry] = fresh;
}

bool FailureSketch::consistent() const noexcept {
  const Arrays& a = arrays();
  for (std::size_t place = kEntries - size_; place < kEntries; ++place) {
    const Index entry = a.order[place];
    const PeerFailures& peer = a.entries[entry];
    const Run& run = a.runs[a.run_of[entry]];
    if (a.places[entry] != place || run.failures != peer.failures) return false;
    if (place < run.begin || place >= run.end) return false;
    if (place + 1 < kEntries) {
      const PeerFailures& next = a.entries[a.order[place + 1]];
      if (next.failures < peer.failures) return false;
      const bool same_run = a.run_of[entry] == a.run_of[a.order[place + 1]];
      if (same_run != (next.failures == peer.failures)) return false;
    }
    if (find(peer.key, peer.hash) != &peer) return false;
    if (peer.counted.total() != peer.failures - peer.error) return false;
  }
  return std::ranges::all_of(a.cells, [&](std::uint32_t cell) { return cell <= floor(); });
}

}  // namespace tcpeek::engine
