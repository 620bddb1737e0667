#include "engine/forward/presence.h"

#include <algorithm>
#include <limits>

namespace tcpeek::forward {

void Presence::add(const MessageId& id) {
  Boot& boot = boots_[id.boot];
  if (!id.range) {
    boot.events.insert(id.to);
  } else if (id.parts == 0) {
    const auto [gap, added] = boot.gaps.emplace(id.to, id.from);
    if (!added) gap->second = std::min(gap->second, id.from);
  } else {
    Batch& batch = boot.batches[id.to];
    batch.from = id.from;
    batch.parts = id.parts;
    batch.services.insert(id.service);
  }
}

void Presence::forget(const Position& position) {
  std::erase_if(boots_, [&](const auto& boot) { return boot.first != position.boot; });
  const auto found = boots_.find(position.boot);
  if (found == boots_.end()) return;
  Boot& boot = found->second;
  boot.events.erase(boot.events.begin(), boot.events.upper_bound(position.seq));
  boot.gaps.erase(boot.gaps.begin(), boot.gaps.upper_bound(position.seq));
  boot.batches.erase(boot.batches.begin(), boot.batches.upper_bound(position.seq));
  if (boot.empty()) boots_.erase(found);
}

const Presence::Boot* Presence::of(const std::string& boot) const {
  const auto found = boots_.find(boot);
  return found == boots_.end() ? nullptr : &found->second;
}

std::uint64_t Presence::Boot::covered_to(std::uint64_t seq, bool singles) const {
  std::uint64_t to = singles && events.contains(seq) ? seq : 0;
  // Gaps do not overlap, nor do batches: only the first one that ends here or later can have it.
  if (const auto gap = gaps.lower_bound(seq); gap != gaps.end() && gap->second <= seq) {
    to = std::max(to, gap->first);
  }
  const auto batch = batches.lower_bound(seq);
  if (batch != batches.end() && batch->second.from <= seq && batch->second.complete()) {
    to = std::max(to, batch->first);
  }
  return to;
}

// The next event after `seq` that is there; the greatest number if none is.
std::uint64_t Presence::Boot::next_covered(std::uint64_t seq) const {
  std::uint64_t next = std::numeric_limits<std::uint64_t>::max();
  if (const auto event = events.upper_bound(seq); event != events.end()) next = *event;
  if (const auto gap = gaps.upper_bound(seq); gap != gaps.end()) {
    next = std::min(next, std::max(gap->second, seq + 1));
  }
  for (auto batch = batches.upper_bound(seq); batch != batches.end(); ++batch) {
    if (!batch->second.complete()) continue;
    next = std::min(next, std::max(batch->second.from, seq + 1));
    break;
  }
  return next;
}

bool Presence::has(const std::string& boot, std::uint64_t seq) const {
  const Boot* const found = of(boot);
  if (found == nullptr) return false;
  if (found->events.contains(seq)) return true;
  const auto gap = found->gaps.lower_bound(seq);
  return gap != found->gaps.end() && gap->second <= seq;
}

bool Presence::has_in_range(const std::string& boot, std::uint64_t seq) const {
  const Boot* const found = of(boot);
  return found != nullptr && found->covered_to(seq, false) != 0;
}

bool Presence::has_cut_after(const std::string& boot, std::uint64_t seq) const {
  const Boot* const found = of(boot);
  if (found == nullptr) return false;
  return std::any_of(found->batches.upper_bound(seq), found->batches.end(),
                     [](const auto& batch) { return !batch.second.complete(); });
}

std::uint64_t Presence::last_cut(const std::string& boot, Range range) const {
  const Boot* const found = of(boot);
  if (found == nullptr) return 0;
  for (auto batch = found->batches.upper_bound(range.to); batch != found->batches.begin();) {
    --batch;
    if (batch->first < range.from) return 0;
    if (!batch->second.complete()) return batch->first;
  }
  return 0;
}

bool Presence::has_aggregate(const std::string& boot, std::uint64_t to,
                             const std::string& service) const {
  const Boot* const found = of(boot);
  if (found == nullptr) return false;
  const auto batch = found->batches.find(to);
  return batch != found->batches.end() && batch->second.services.contains(service);
}

bool Presence::is_cut(const std::string& boot, std::uint64_t seq) const {
  const Boot* const found = of(boot);
  if (found == nullptr) return false;
  const auto batch = found->batches.find(seq);
  return batch != found->batches.end() && !batch->second.complete();
}

std::uint64_t Presence::first(const std::string& boot) const {
  const Boot* const found = of(boot);
  if (found == nullptr) return 0;
  std::uint64_t first = std::numeric_limits<std::uint64_t>::max();
  if (!found->events.empty()) first = *found->events.begin();
  if (!found->gaps.empty()) first = std::min(first, found->gaps.begin()->second);
  if (!found->batches.empty()) first = std::min(first, found->batches.begin()->second.from);
  return first;
}

Position Presence::advanced(Position position, bool singles) const {
  while (singles && has(position.boot, position.seq + 1)) ++position.seq;
  return position;
}

std::vector<Range> Presence::missing(const std::string& boot, Range range) const {
  const Boot* const found = of(boot);
  if (found == nullptr) return {range};
  std::vector<Range> ranges;
  for (std::uint64_t seq = range.from; seq <= range.to;) {
    if (const std::uint64_t to = found->covered_to(seq)) {
      seq = to + 1;
      continue;
    }
    const std::uint64_t end = std::min(range.to, found->next_covered(seq) - 1);
    ranges.push_back({seq, end});
    seq = end + 1;
  }
  return ranges;
}

}  // namespace tcpeek::forward
