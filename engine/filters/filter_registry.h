// Which filters are counted, by number: those in force, and those that were removed and still have
// attempts that have not ended.
//
// How it works: exchange() makes the next generation. A filter of the same name and expression keeps
// its number, so its counters go on; any other begins with a number that nothing is counted under. A
// removed filter stays in the books until settle() hears that all readers go by the new rules and none of
// its attempts is pending; and after that until the next settle(), by when its last outcomes have been
// printed under its name. Only then is its number free.
//
// Thread contract: the reactor's thread.
// Bounds: kMaxFilterIds numbers. Errors: exchange() throws std::length_error when removed filters still
// hold too many of them; nothing has changed then.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/filters/ruleset.h"

namespace tcpeek::engine {

class FilterRegistry {
 public:
  // As parse_filters() returns them: RX and TX first.
  explicit FilterRegistry(const std::vector<FilterExpression>& filters) { exchange(filters); }

  void exchange(const std::vector<FilterExpression>& filters);

  // The filters in force, with `locality`.
  [[nodiscard]] Ruleset ruleset(Locality locality) const {
    return {matcher_, counted_, generation_, std::move(locality)};
  }

  struct Entry {
    FilterId id = 0;
    const FilterExpression* filter = nullptr;  // never null
    bool removed = false;
    std::uint32_t since = 0;  // the generation that brought it, or removed it
  };
  // Those in force in their order, then those removed.
  [[nodiscard]] std::vector<Entry> entries() const;
  [[nodiscard]] const std::string& name(FilterId id) const noexcept {
    return books_[id].filter.name;
  }
  // One more than the largest number in use.
  [[nodiscard]] std::size_t id_bound() const noexcept { return books_.size(); }
  [[nodiscard]] std::uint32_t generation() const noexcept { return generation_; }

  // What the readers report: all of them go by generation `adopted` or a later one; pending(id) is how
  // many attempts of a filter have not ended. To be called when what was reported before is printed.
  void settle(std::uint32_t adopted, const std::function<std::uint64_t(FilterId)>& pending);

 private:
  enum class State : std::uint8_t { unused, in_force, removed, ended };
  struct Book {
    FilterExpression filter;
    State state = State::unused;
    std::uint32_t since = 0;  // the generation that brought it, or removed it
  };

  [[nodiscard]] std::vector<Ruleset::CountedFilter> numbers_for(
      const std::vector<FilterExpression>& counted) const;

  std::vector<Book> books_;  // by number
  std::vector<Ruleset::CountedFilter> counted_;
  std::shared_ptr<const FilterMatcher> matcher_;
  std::uint32_t generation_ = 0;
};

}  // namespace tcpeek::engine
