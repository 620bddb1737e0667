// Which filters an attempt counts in, at a cost that hardly depends on how many there are.
//
// A filter is a list of terms (direction, remote prefix, responder ports); it matches when one of
// its terms does. For each direction the prefixes cut the address space of each family into
// intervals inside which all addresses satisfy the same terms; the ports cut 0..65535 alike.
// Intervals with the same terms share one class, and a class has a row: the set of its terms as a
// bit per term. An attempt matches the terms that are in the row of its remote address and in the
// row of its port. Finding the classes is a binary search and a table look-up, done once per
// attempt. Each row leads with a summary word that says which of its words are not zero, so the
// intersection touches only words that may meet. Attempts of the same classes match the same filters:
// their MatchKey can stand for the whole set (engine/pipeline/filter_sets.h).
//
// The families have their own intervals: an IPv4 address never meets an IPv6 prefix, not even
// [::]/0. Terms of exclusions come first in the rows, so the lowest common bit tells whether an
// attempt is excluded; the terms of one filter are neighbours, so it is reported once.
//
// Thread contract: immutable once built; any number of threads may read.
// Invariants: term 0..exclusion_terms_-1 exclude; terms ascend by filter; a row has 1 + words_
// words.
// Bounds: kMaxFilters and kMaxFilterTerms, checked by the constructor; no allocation after it.
// Errors: the constructor throws std::length_error beyond the bounds.
#pragma once

#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/filters/address.h"
#include "engine/filters/filter_expression.h"

namespace tcpeek::engine {

// The classes of one attempt: equal keys of one matcher match the same filters.
struct MatchKey {
  std::uint16_t rx_class = 0;  // of the initiator's address where the responder is local, else 0
  std::uint16_t tx_class = 0;  // of the responder's address where the initiator is local, else 0
  std::uint16_t port_class = 0;
  std::uint8_t directions = 0;  // bits of Direction

  bool operator==(const MatchKey&) const = default;
};

class FilterMatcher {
 public:
  // As parse_filters() returns them: RX and TX first.
  explicit FilterMatcher(const std::vector<FilterExpression>& filters);

  // The filters that count, in order and without the exclusions: RX, TX, then by name. An index
  // given by for_each_match() is one into this.
  [[nodiscard]] const std::vector<FilterExpression>& counted() const noexcept { return counted_; }

  // `directions` holds the bits of Direction: rx when the responder is local, tx when the initiator
  // is. With neither bit nothing ever matches.
  [[nodiscard]] MatchKey classify(const Address& initiator, const Address& responder,
                                  std::uint16_t responder_port,
                                  std::uint8_t directions) const noexcept {
    const auto class_of = [&](Direction direction, const AddressPlan& plan, const Address& remote) {
      return has(directions, direction) ? plan.find(remote) : std::uint16_t{0};
    };
    return {.rx_class = class_of(Direction::rx, rx_, initiator),
            .tx_class = class_of(Direction::tx, tx_, responder),
            .port_class = port_classes_[responder_port],
            .directions = directions};
  }

  // Calls fn(std::size_t index) for each counting filter that matches, in ascending order, each
  // once; not at all when an exclusion matches.
  template <class Fn>
  void for_each_match(const MatchKey& key, Fn&& fn) const noexcept {
    std::size_t previous = kNoFilter;
    for_each_term(rows_of(key), [&](std::size_t term) {
      if (term < exclusion_terms_) return false;
      const std::size_t filter = filter_of_term_[term];
      if (filter != previous) fn(filter);
      previous = filter;
      return true;
    });
  }

  // True when an exclusion matches.
  [[nodiscard]] bool excluded(const MatchKey& key) const noexcept;

  // Sizes, for a log line and the tests.
  [[nodiscard]] std::size_t address_classes(Direction direction) const noexcept;
  [[nodiscard]] std::size_t port_classes() const noexcept { return port_rows_.size() / stride(); }

 private:
  friend class FilterMatcherBuilder;

  static constexpr std::size_t kBitsPerWord = 64;
  static constexpr std::size_t kNoFilter = kMaxFilters;
  static_assert(kMaxFilterTerms <= kBitsPerWord * kBitsPerWord,
                "one summary bit per word of a row");
  static_assert(4 * kMaxFilterTerms + 2 <= 65536,
                "two intervals more per prefix: classes fit a key");
  static_assert(kMaxFilters <= 65536, "filter_of_term_ holds 16 bits");

  // IPv6 addresses as two host-order words that compare as the address does.
  struct Wide {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    auto operator<=>(const Wide&) const = default;
  };
  static Wide wide_key(const Address& address) noexcept;

  // The remote addresses of one direction. An interval lasts to the next start; the first is 0.
  struct AddressPlan {
    std::vector<std::uint32_t> v4_starts;
    std::vector<std::uint16_t> v4_classes;
    std::vector<Wide> v6_starts;
    std::vector<std::uint16_t> v6_classes;
    std::vector<std::uint64_t> rows;

    // Without filters of the user's there is one interval of each family, known without a search.
    [[nodiscard]] std::uint16_t find(const Address& address) const noexcept {
      if (address.is_v4()) return v4_starts.size() == 1 ? v4_classes[0] : search_v4(address);
      return v6_starts.size() == 1 ? v6_classes[0] : search_v6(address);
    }
    [[nodiscard]] std::uint16_t search_v4(const Address& address) const noexcept;
    [[nodiscard]] std::uint16_t search_v6(const Address& address) const noexcept;
  };

  // The rows an attempt's terms are the intersection of: (rx | tx) & port.
  struct Rows {
    const std::uint64_t* rx = nullptr;
    const std::uint64_t* tx = nullptr;
    const std::uint64_t* port = nullptr;
  };

  static constexpr bool has(std::uint8_t directions, Direction direction) noexcept {
    return (directions & static_cast<std::uint8_t>(direction)) != 0;
  }
  [[nodiscard]] std::size_t stride() const noexcept { return words_ + 1; }
  [[nodiscard]] Rows rows_of(const MatchKey& key) const noexcept {
    const auto row = [&](Direction direction, const AddressPlan& plan, std::uint16_t of_class) {
      return has(key.directions, direction) ? plan.rows.data() + of_class * stride()
                                            : empty_row_.data();
    };
    return {row(Direction::rx, rx_, key.rx_class), row(Direction::tx, tx_, key.tx_class),
            port_rows_.data() + key.port_class * stride()};
  }

  // fn(term) for each common term, ascending, until it returns false.
  template <class Fn>
  static void for_each_term(const Rows& rows, Fn&& fn) noexcept {
    std::uint64_t words = (rows.rx[0] | rows.tx[0]) & rows.port[0];
    for (; words != 0; words &= words - 1) {
      const auto word = static_cast<std::size_t>(std::countr_zero(words));
      const std::size_t i = word + 1;
      std::uint64_t bits = (rows.rx[i] | rows.tx[i]) & rows.port[i];
      for (; bits != 0; bits &= bits - 1) {
        const auto bit = static_cast<std::size_t>(std::countr_zero(bits));
        if (!fn(word * kBitsPerWord + bit)) return;
      }
    }
  }

  std::vector<FilterExpression> counted_;
  std::vector<std::uint16_t>
      filter_of_term_;  // by term; index into counted_, unused for exclusions
  std::size_t exclusion_terms_ = 0;
  std::size_t words_ = 0;  // of a row, without its summary
  AddressPlan rx_;
  AddressPlan tx_;
  std::vector<std::uint64_t> port_rows_;
  std::vector<std::uint16_t> port_classes_;  // by port, 65536
  std::vector<std::uint64_t> empty_row_;
};

}  // namespace tcpeek::engine
