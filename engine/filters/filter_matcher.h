// Which filters an attempt counts in, at a cost that hardly depends on how many there are.
//
// A filter is a list of terms (direction, remote prefix, responder ports); it matches when one of
// its terms does. For each direction the prefixes cut the address space of each family into
// intervals inside which all addresses satisfy the same terms; the ports cut 0..65535 alike.
// Intervals with the same terms share one class, and a class has a row: the set of its terms as a
// bit per term. An attempt matches the terms that are in the row of its remote address and in the
// row of its port. Finding the classes is a binary search and a table look-up, done once per
// attempt; the two class numbers are kept with it as its FilterTag. Each row leads with a summary
// word that says which of its words are not zero, so the intersection touches only words that may
// meet.
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

// What is kept with an attempt to find its filters again when it ends. Valid for the matcher that
// made it, and for the directions it was made with.
struct FilterTag {
  std::uint16_t address_class = 0;  // of the remote address; when both ends are local, as for RX
  std::uint16_t port_class = 0;
};
static_assert(sizeof(FilterTag) == 4, "one per live attempt: see the memory budget");

class FilterMatcher {
 public:
  // As parse_filters() returns them: RX and TX first.
  explicit FilterMatcher(const std::vector<FilterExpression>& filters);

  // The filters that count, in order and without the exclusions: RX, TX, then by name. An index
  // given by for_each_match() is one into this.
  [[nodiscard]] const std::vector<FilterExpression>& counted() const noexcept { return counted_; }

  // `directions` holds the bits of Direction: rx when the responder is local, tx when the initiator
  // is. With neither bit nothing ever matches.
  [[nodiscard]] FilterTag classify(const Address& initiator, const Address& responder,
                                   std::uint16_t responder_port,
                                   std::uint8_t directions) const noexcept;

  // Calls fn(std::size_t index) for each counting filter that matches, in ascending order, each
  // once; not at all when an exclusion matches. The arguments are those of classify(), but for the
  // responder: responder() gives it, and is asked only where both ends are local, at the cost of a
  // second search.
  template <class Responder, class Fn>
  void for_each_match(FilterTag tag, std::uint8_t directions, Responder&& responder,
                      Fn&& fn) const noexcept {
    std::size_t previous = kNoFilter;
    for_each_term(rows_of(tag, directions, responder), [&](std::size_t term) {
      if (term < exclusion_terms_) return false;
      const std::size_t filter = filter_of_term_[term];
      if (filter != previous) fn(filter);
      previous = filter;
      return true;
    });
  }

  // True when an exclusion matches.
  [[nodiscard]] bool excluded(FilterTag tag, std::uint8_t directions,
                              const Address& responder) const noexcept;

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
                "two intervals more per prefix: classes fit a tag");
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

  // The rows an attempt's terms are the intersection of: (address | other_address) & port.
  struct Rows {
    const std::uint64_t* address = nullptr;
    const std::uint64_t* other_address = nullptr;
    const std::uint64_t* port = nullptr;
  };

  static constexpr bool has(std::uint8_t directions, Direction direction) noexcept {
    return (directions & static_cast<std::uint8_t>(direction)) != 0;
  }
  [[nodiscard]] std::size_t stride() const noexcept { return words_ + 1; }
  template <class Responder>
  [[nodiscard]] Rows rows_of(FilterTag tag, std::uint8_t directions,
                             Responder&& responder) const noexcept {
    const std::uint64_t* const none = empty_row_.data();
    const std::uint64_t* const port = port_rows_.data() + tag.port_class * stride();
    const AddressPlan& plan = has(directions, Direction::rx) ? rx_ : tx_;
    if (!has(directions, Direction::rx) && !has(directions, Direction::tx))
      return {none, none, port};
    const std::uint64_t* const address = plan.rows.data() + tag.address_class * stride();
    if (!has(directions, Direction::rx) || !has(directions, Direction::tx)) {
      return {address, none, port};
    }
    return {address, tx_.rows.data() + tx_.find(responder()) * stride(), port};
  }

  // fn(term) for each common term, ascending, until it returns false.
  template <class Fn>
  static void for_each_term(const Rows& rows, Fn&& fn) noexcept {
    std::uint64_t words = (rows.address[0] | rows.other_address[0]) & rows.port[0];
    for (; words != 0; words &= words - 1) {
      const auto word = static_cast<std::size_t>(std::countr_zero(words));
      const std::size_t i = word + 1;
      std::uint64_t bits = (rows.address[i] | rows.other_address[i]) & rows.port[i];
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
