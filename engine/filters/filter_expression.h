// Filter expressions: [name]:DIR@ADDR:PORT[:PORT...][,ADDR:PORT[:PORT...]]...  (tcpeek(8), FILTER EXPRESSIONS)
//
// Pure: text in, a FilterExpression or an error with the place of the mistake out. What is local
// and what matches is decided elsewhere (engine/filters/locality.h, engine/filters/filter_matcher.h).
//
// RX and TX are written in capitals. A name is printable UTF-8 without ':' (no control or bidirectional
// characters), at most kMaxFilterNameBytes long, and neither begins nor ends with a space. One with
// characters other than letters, digits, '_', '-' and '.' is accepted with a warning; every exit
// quotes or escapes it.
//
// Thread contract: plain values.
// Errors: FilterError, for a bad expression and for one too many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "engine/filters/address.h"

namespace tcpeek::engine {

// Bounds of one command line, including exclusions and the two filters that always exist.
inline constexpr std::size_t kMaxFilters = 1024;
inline constexpr std::size_t kMaxFilterTerms = 4096;       // ADDR:PORT[:PORT...] of all filters
inline constexpr std::size_t kMaxFilterPortRanges = 8192;  // ports and ranges of all terms
inline constexpr std::size_t kMaxFilterNameBytes = 64;

enum class Direction : std::uint8_t {
  rx = 1,  // the responder is local
  tx = 2,  // the initiator is local
};

struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 65535;
  auto operator<=>(const PortRange&) const = default;
};

// One ADDR:PORT[:PORT...]. `any_address` matches both families.
struct FilterTerm {
  bool any_address = false;
  Prefix remote;                 // the peer's address, when not any
  std::vector<PortRange> ports;  // the responder's port; never empty
};

struct FilterExpression {
  std::string text;  // as written
  std::string name;  // empty: an exclusion
  Direction direction = Direction::rx;
  std::vector<FilterTerm> terms;
  std::vector<std::string> warnings;  // host bits cleared, a name that others may not take

  [[nodiscard]] bool excludes() const noexcept { return name.empty(); }
};

// what() is the whole message: the reason, then the expression and a caret under the offending
// character, each on its own line. `position` counts bytes of `text`; its size stands for the end.
class FilterError : public std::runtime_error {
 public:
  FilterError(std::string_view text, std::size_t position, std::string_view reason);
  [[nodiscard]] std::size_t position() const noexcept { return position_; }
  // The parts of what().
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }

 private:
  std::string text_;
  std::string reason_;
  std::size_t position_;
};

// One expression by itself. The names RX and TX are accepted here; `pcap` is refused.
[[nodiscard]] FilterExpression parse_filter(std::string_view text);

// RX:RX@%:% and TX:TX@%:%, then `texts` in order. Refuses names used twice and more filters, terms
// or ports than the bounds above.
[[nodiscard]] std::vector<FilterExpression> parse_filters(const std::vector<std::string>& texts);

}  // namespace tcpeek::engine
