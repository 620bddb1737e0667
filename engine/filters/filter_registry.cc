#include "engine/filters/filter_registry.h"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <tuple>

namespace tcpeek::engine {

// Numbers for filters to come: kept where the same filter is in force, else the lowest unused ones.
std::vector<Ruleset::CountedFilter> FilterRegistry::numbers_for(
    const std::vector<FilterExpression>& counted) const {
  std::map<std::tuple<std::string, std::string>, FilterId> known;
  std::vector<FilterId> unused;
  for (std::size_t id = 0; id < kMaxFilterIds; ++id) {
    if (id >= books_.size() || books_[id].state == State::unused) {
      unused.push_back(static_cast<FilterId>(id));
    } else if (books_[id].state == State::in_force) {
      known[{books_[id].filter.name, books_[id].filter.text}] = static_cast<FilterId>(id);
    }
  }
  std::vector<Ruleset::CountedFilter> numbers;
  auto next = unused.begin();
  for (const FilterExpression& filter : counted) {
    if (const auto kept = known.find({filter.name, filter.text}); kept != known.end()) {
      numbers.push_back({kept->second, books_[kept->second].since});
      continue;
    }
    if (next == unused.end()) {
      throw std::length_error(
          "too many filters: removed ones still have attempts that have not ended; try again "
          "later");
    }
    numbers.push_back({*next++, generation_ + 1});
  }
  return numbers;
}

void FilterRegistry::exchange(const std::vector<FilterExpression>& filters) {
  auto matcher = std::make_shared<const FilterMatcher>(filters);
  auto counted = numbers_for(matcher->counted());
  // What may fail comes before the first change.
  for (const auto [id, since] : counted) {
    if (id >= books_.size()) books_.resize(id + std::size_t{1});
  }
  ++generation_;
  for (Book& book : books_) {
    if (book.state != State::in_force) continue;
    book.state = State::removed;  // those that stay are put back below
    book.since = generation_;
  }
  for (std::size_t i = 0; i < counted.size(); ++i) {
    const auto [id, since] = counted[i];
    books_[id] = {matcher->counted()[i], State::in_force, since};
  }
  counted_ = std::move(counted);
  matcher_ = std::move(matcher);
}

std::vector<FilterRegistry::Entry> FilterRegistry::entries() const {
  std::vector<Entry> all;
  for (const Ruleset::CountedFilter& counted : counted_) {
    all.push_back({counted.id, &books_[counted.id].filter, false, counted.since});
  }
  for (std::size_t id = 0; id < books_.size(); ++id) {
    const Book& book = books_[id];
    if (book.state != State::removed && book.state != State::ended) continue;
    all.push_back({static_cast<FilterId>(id), &book.filter, true, book.since});
  }
  return all;
}

void FilterRegistry::settle(std::uint32_t adopted,
                            const std::function<std::uint64_t(FilterId)>& pending) {
  for (std::size_t id = 0; id < books_.size(); ++id) {
    Book& book = books_[id];
    if (book.state == State::ended) {
      book.state = State::unused;
    } else if (book.state == State::removed && adopted >= book.since &&
               pending(static_cast<FilterId>(id)) == 0) {
      book.state = State::ended;
    }
  }
}

}  // namespace tcpeek::engine
