// What the stream has of a host's newest events, as found by reading its message ids back: so that nothing is
// published twice, whatever became of the acknowledgements.
//
// Thread contract: of one thread.
// Bounds: forget() drops what is behind; the rest is as much as was read back.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/forward/message_id.h"
#include "engine/forward/position.h"

namespace tcpeek::forward {

struct Range {
  std::uint64_t from = 0;
  std::uint64_t to = 0;

  friend bool operator==(const Range&, const Range&) = default;
};

class Presence {
 public:
  void add(const MessageId& id);
  void clear() { boots_.clear(); }
  // What is of other boots, or not after `position`, matters no more.
  void forget(const Position& position);

  [[nodiscard]] bool empty() const noexcept { return boots_.empty(); }
  // The event itself, or a gap that has it; a gap or aggregates, all of them there, that have it.
  [[nodiscard]] bool has(const std::string& boot, std::uint64_t seq) const;
  [[nodiscard]] bool has_in_range(const std::string& boot, std::uint64_t seq) const;
  // An aggregate of a batch that ends with `to`.
  [[nodiscard]] bool has_aggregate(const std::string& boot, std::uint64_t to,
                                   const std::string& service) const;
  // Whether a batch of aggregates ended with this event, and is not complete.
  [[nodiscard]] bool is_cut(const std::string& boot, std::uint64_t seq) const;
  // The last such event of the range; 0 if there is none.
  [[nodiscard]] std::uint64_t last_cut(const std::string& boot, Range range) const;
  [[nodiscard]] bool has_cut_after(const std::string& boot, std::uint64_t seq) const;
  // The number of the first event that is there; 0 if none is.
  [[nodiscard]] std::uint64_t first(const std::string& boot) const;
  // How far from `position` on each event is there, or in a gap. Not so where there are aggregates (no
  // `singles`): what they are of has to be read again, since failures among it are sent singly.
  [[nodiscard]] Position advanced(Position position, bool singles) const;
  // What is missing of a range.
  [[nodiscard]] std::vector<Range> missing(const std::string& boot, Range range) const;

 private:
  struct Batch {
    std::uint64_t from = 0;
    std::uint64_t parts = 0;
    std::set<std::string> services;

    [[nodiscard]] bool complete() const noexcept { return services.size() >= parts; }
  };
  struct Boot {
    std::set<std::uint64_t> events;
    std::map<std::uint64_t, std::uint64_t> gaps;  // by `to`, from
    std::map<std::uint64_t, Batch> batches;       // by `to`

    // The last event of the range that has this one and is there; 0: it is not there.
    [[nodiscard]] std::uint64_t covered_to(std::uint64_t seq, bool singles = true) const;
    [[nodiscard]] std::uint64_t next_covered(std::uint64_t seq) const;
    [[nodiscard]] bool empty() const noexcept {
      return events.empty() && gaps.empty() && batches.empty();
    }
  };

  [[nodiscard]] const Boot* of(const std::string& boot) const;

  std::map<std::string, Boot> boots_;
};

}  // namespace tcpeek::forward
