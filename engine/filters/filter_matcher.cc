// Building the classes of the filter matcher, and finding them (engine/filters/filter_matcher.h).
//
// Building works on one axis at a time (the IPv4 addresses of a direction, its IPv6 addresses, the
// ports): collect where a term begins to hold or ceases to, mark each term in the intervals it
// covers, then give intervals with equal marks the same class.
#include "engine/filters/filter_matcher.h"

#include <algorithm>
#include <map>
#include <optional>
#include <stdexcept>
#include <utility>

namespace tcpeek::engine {
namespace {

constexpr std::size_t kPorts = 65536;

// The last of the starts that is not above `key`; starts[0] is never above. The loop compiles to
// conditional moves: which way it goes is as good as random, so a branch would be mispredicted.
template <class Key>
std::size_t interval_of(const std::vector<Key>& starts, const Key& key) noexcept {
  const Key* base = starts.data();
  std::size_t left = starts.size();
  while (left > 1) {
    const std::size_t half = left / 2;
    base = base[half] <= key ? base + half : base;
    left -= half;
  }
  return static_cast<std::size_t>(base - starts.data());
}

std::uint32_t v4_key(const Address& address) noexcept {
  return static_cast<std::uint32_t>(address.low());
}

// Keys from first to last satisfy `term`.
template <class Key>
struct Span {
  Key first;
  Key last;
  std::size_t term;
};

using Row = std::vector<std::uint64_t>;  // the summary word, then a bit per term

// Equal rows get one number, in order of appearance.
class RowPool {
 public:
  std::uint16_t number_of(const Row& row, std::vector<std::uint64_t>& rows) {
    const auto [place, added] =
        numbers_.try_emplace(row, static_cast<std::uint16_t>(numbers_.size()));
    if (added) rows.insert(rows.end(), row.begin(), row.end());
    return place->second;
  }

 private:
  std::map<Row, std::uint16_t> numbers_;
};

void mark(Row& row, std::size_t term) {
  const std::size_t word = term / 64;
  row[0] |= std::uint64_t{1} << word;
  row[word + 1] |= std::uint64_t{1} << (term % 64);
}

template <class Key>
struct Axis {
  std::vector<Key> starts;
  std::vector<Row> rows;  // of the interval from the start of the same index
};

// `after` gives the key behind another, or nothing behind the last of all.
template <class Key, class After>
Axis<Key> cut(const std::vector<Span<Key>>& spans, std::size_t stride, After&& after) {
  Axis<Key> axis;
  axis.starts.push_back(Key{});
  for (const auto& span : spans) {
    axis.starts.push_back(span.first);
    if (const std::optional<Key> next = after(span.last)) axis.starts.push_back(*next);
  }
  std::sort(axis.starts.begin(), axis.starts.end());
  axis.starts.erase(std::unique(axis.starts.begin(), axis.starts.end()), axis.starts.end());

  axis.rows.assign(axis.starts.size(), Row(stride, 0));
  for (const auto& span : spans) {
    const std::size_t last = interval_of(axis.starts, span.last);
    for (std::size_t i = interval_of(axis.starts, span.first); i <= last; ++i) {
      mark(axis.rows[i], span.term);
    }
  }
  return axis;
}

std::optional<std::uint32_t> after_number(std::uint32_t key) {
  if (key == UINT32_MAX) return std::nullopt;
  return key + 1;
}

}  // namespace

class FilterMatcherBuilder {
 public:
  FilterMatcherBuilder(const std::vector<FilterExpression>& filters, FilterMatcher& out)
      : filters_(filters), out_(out) {}

  void run() {
    number_terms();
    const std::size_t words =
        (terms_.size() + FilterMatcher::kBitsPerWord - 1) / FilterMatcher::kBitsPerWord;
    out_.words_ = std::max<std::size_t>(words, 1);
    out_.empty_row_.assign(out_.stride(), 0);
    build_addresses(Direction::rx, out_.rx_);
    build_addresses(Direction::tx, out_.tx_);
    build_ports();
  }

 private:
  using Wide = FilterMatcher::Wide;

  struct NumberedTerm {
    const FilterTerm* term;
    Direction direction;
  };

  void number_terms();
  void add_terms(const FilterExpression& filter, std::size_t index);
  void build_addresses(Direction direction, FilterMatcher::AddressPlan& plan) const;
  void build_ports() const;

  const std::vector<FilterExpression>& filters_;
  FilterMatcher& out_;
  std::vector<NumberedTerm> terms_;
};

void FilterMatcherBuilder::number_terms() {
  for (const FilterExpression& filter : filters_) {
    if (filter.excludes()) add_terms(filter, 0);
  }
  out_.exclusion_terms_ = terms_.size();
  for (const FilterExpression& filter : filters_) {
    if (filter.excludes()) continue;
    add_terms(filter, out_.counted_.size());
    out_.counted_.push_back(filter);
  }
  if (filters_.size() > kMaxFilters || terms_.size() > kMaxFilterTerms) {
    throw std::length_error("FilterMatcher: more filters or terms than its bounds");
  }
}

void FilterMatcherBuilder::add_terms(const FilterExpression& filter, std::size_t index) {
  for (const FilterTerm& term : filter.terms) {
    terms_.push_back({&term, filter.direction});
    out_.filter_of_term_.push_back(static_cast<std::uint16_t>(index));
  }
}

void FilterMatcherBuilder::build_addresses(Direction direction,
                                           FilterMatcher::AddressPlan& plan) const {
  std::vector<Span<std::uint32_t>> v4;
  std::vector<Span<Wide>> v6;
  for (std::size_t i = 0; i < terms_.size(); ++i) {
    if (terms_[i].direction != direction) continue;
    const FilterTerm& term = *terms_[i].term;
    if (term.any_address) {
      v4.push_back({0, UINT32_MAX, i});
      v6.push_back({{}, {UINT64_MAX, UINT64_MAX}, i});
      continue;
    }
    const Address& network = term.remote.address;
    const unsigned host_bits = 128U - term.remote.length;
    if (network.is_v4() && host_bits <= 32) {
      const std::uint32_t first = v4_key(network);
      v4.push_back(
          {first, first | static_cast<std::uint32_t>((std::uint64_t{1} << host_bits) - 1), i});
      continue;
    }
    const auto ones = [](unsigned bits) {
      return bits >= 64 ? UINT64_MAX : (std::uint64_t{1} << bits) - 1;
    };
    const Wide first = FilterMatcher::wide_key(network);
    v6.push_back(
        {first,
         {first.high | ones(host_bits > 64 ? host_bits - 64 : 0), first.low | ones(host_bits)},
         i});
  }

  RowPool pool;
  Axis<std::uint32_t> narrow = cut(v4, out_.stride(), after_number);
  plan.v4_starts = std::move(narrow.starts);
  for (const Row& row : narrow.rows) plan.v4_classes.push_back(pool.number_of(row, plan.rows));

  Axis<Wide> wide = cut(v6, out_.stride(), [](const Wide& key) -> std::optional<Wide> {
    if (key.low != UINT64_MAX) return Wide{key.high, key.low + 1};
    if (key.high != UINT64_MAX) return Wide{key.high + 1, 0};
    return std::nullopt;
  });
  plan.v6_starts = std::move(wide.starts);
  for (const Row& row : wide.rows) plan.v6_classes.push_back(pool.number_of(row, plan.rows));
}

void FilterMatcherBuilder::build_ports() const {
  std::vector<Span<std::uint32_t>> spans;
  for (std::size_t i = 0; i < terms_.size(); ++i) {
    for (const PortRange& range : terms_[i].term->ports)
      spans.push_back({range.first, range.last, i});
  }
  const Axis<std::uint32_t> axis = cut(spans, out_.stride(), after_number);
  RowPool pool;
  out_.port_classes_.assign(kPorts, 0);
  for (std::size_t i = 0; i < axis.starts.size() && axis.starts[i] < kPorts; ++i) {
    const std::size_t next = i + 1 < axis.starts.size() ? axis.starts[i + 1] : kPorts;
    const auto first = out_.port_classes_.begin() + static_cast<std::ptrdiff_t>(axis.starts[i]);
    const auto last =
        out_.port_classes_.begin() + static_cast<std::ptrdiff_t>(std::min(next, kPorts));
    std::fill(first, last, pool.number_of(axis.rows[i], out_.port_rows_));
  }
}

FilterMatcher::FilterMatcher(const std::vector<FilterExpression>& filters) {
  FilterMatcherBuilder(filters, *this).run();
}

FilterMatcher::Wide FilterMatcher::wide_key(const Address& address) noexcept {
  return {address.high(), address.low()};
}

std::uint16_t FilterMatcher::AddressPlan::search_v4(const Address& address) const noexcept {
  return v4_classes[interval_of(v4_starts, v4_key(address))];
}

std::uint16_t FilterMatcher::AddressPlan::search_v6(const Address& address) const noexcept {
  return v6_classes[interval_of(v6_starts, wide_key(address))];
}

bool FilterMatcher::excluded(const MatchKey& key) const noexcept {
  bool found = false;
  for_each_term(rows_of(key), [&](std::size_t term) {
    found = term < exclusion_terms_;
    return false;  // exclusions come first: the lowest term decides
  });
  return found;
}

std::size_t FilterMatcher::address_classes(Direction direction) const noexcept {
  return (direction == Direction::rx ? rx_ : tx_).rows.size() / stride();
}

}  // namespace tcpeek::engine
