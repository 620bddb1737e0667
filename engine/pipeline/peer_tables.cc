#include "engine/pipeline/peer_tables.h"

#include <algorithm>

namespace tcpeek::engine {
namespace {

using flowtable::AddressWords;

PeerKey key_of(PeerKind kind, const PeerEnds& ends, const AddressWords& far_end) noexcept {
  switch (kind) {
    case PeerKind::initiator:
      return {bytes_of(ends.initiator), {}};
    case PeerKind::pair:
      return {bytes_of(ends.initiator), bytes_of(ends.responder)};
    case PeerKind::network:
      return {bytes_of(PeerTables::network_of(far_end)), {}};
  }
  __builtin_unreachable();
}

void add(PeerFailures& sum, const PeerFailures& part) noexcept {
  sum.failures += part.failures;
  sum.error += part.error;
  sum.counted += part.counted;
  sum.first = sum.first == 0 ? part.first : std::min(sum.first, part.first);
  sum.last = std::max(sum.last, part.last);
}

}  // namespace

std::uint64_t PeerTables::hash_of(PeerKind kind, const PeerKey& key) const noexcept {
  switch (kind) {
    case PeerKind::initiator:
    case PeerKind::network:
      return hash_(key.first);
    case PeerKind::pair:
      return AddressHash::of_pair(hash_(key.first), hash_(key.second));
  }
  __builtin_unreachable();
}

void PeerTables::failed(const PeerEnds& ends, flowtable::Cause cause,
                        flowtable::PacketTime at) noexcept {
  const std::int64_t ns = at.time_since_epoch().count();
  for (std::size_t i = 0; i < kKinds; ++i) {
    const auto kind = static_cast<PeerKind>(i);
    const PeerKey key = key_of(kind, ends, far_end(ends));
    present_->failures[i].failed(key, hash_of(kind, key), cause, ns);
  }
}

void PeerTables::begin_window() noexcept {
  settle();
  Generation& first = generations_.front();
  present_ = present_ == &first ? &generations_.back() : &first;
  present_->attempts.clear();
  for (FailureSketch& sketch : present_->failures) sketch.clear();
}

void PeerTables::settle() noexcept {
  for (Cells& cells : waiting_) {
    for (const AttemptSketch::Cell cell : cells) present_->attempts.add(cell);
    cells = kNone;
  }
}

PeerCounts PeerTables::counts(PeerKind kind, const PeerKey& key) const noexcept {
  PeerCounts sum;
  sum.failures.key = key;
  const std::uint64_t hash = hash_of(kind, key);
  for (const Generation& generation : generations_) {
    sum.attempts += generation.attempts.estimate(hash);
    const FailureSketch& sketch = generation.failures[static_cast<std::size_t>(kind)];
    if (const PeerFailures* peer = sketch.find(key, hash); peer != nullptr) {
      add(sum.failures, *peer);
    } else {
      sum.failures.failures += sketch.unlisted(hash);
      sum.failures.error += sketch.unlisted(hash);
    }
  }
  return sum;
}

std::uint64_t PeerTables::attempts_error() const noexcept {
  std::uint64_t error = 0;
  for (const Generation& generation : generations_) error += generation.attempts.error();
  return error;
}

}  // namespace tcpeek::engine
