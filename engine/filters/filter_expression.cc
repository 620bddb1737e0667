// The parser of filter expressions (engine/filters/filter_expression.h): one pass from left to right; the
// caret goes under the first character that does not fit.
#include "engine/filters/filter_expression.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "engine/base/text.h"

namespace tcpeek::engine {
namespace {

constexpr std::string_view kSyntax = "[name]:RX|TX@ADDR:PORT[:PORT...][,ADDR:PORT...]";
constexpr std::string_view kAddresses =
    "%, *, IPv4 or IPv6 in [brackets], with /LENGTH for a network";
constexpr PortRange kAnyPort{};

// Taken everywhere: by shells, by metric systems, by the clients of the socket.
bool is_plain(std::string_view name) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
  return name.find_first_not_of(kPlain) == std::string_view::npos;
}

bool is_wildcard(std::string_view token) {
  return token == "%" || token == "*";
}

char upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

bool begins_with_direction(std::string_view text) {
  return text.size() >= 3 && (upper(text[0]) == 'R' || upper(text[0]) == 'T') &&
         upper(text[1]) == 'X' && text[2] == '@';
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) { out_.text = text; }

  FilterExpression run() {
    parse_name();
    parse_direction();
    do {
      parse_term();
    } while (take(','));
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(std::size_t position, const std::string& reason) const {
    throw FilterError(text_, position, reason);
  }

  bool take(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  // From here to one of `stops` or the end; the stop itself is not taken.
  std::string_view take_until(std::string_view stops) {
    const std::size_t end = std::min(text_.find_first_of(stops, at_), text_.size());
    const std::string_view token = text_.substr(at_, end - at_);
    at_ = end;
    return token;
  }

  void parse_name();
  void check_name(std::string_view name) const;
  void parse_direction();
  void parse_term();
  std::string_view take_remote();
  void parse_remote(FilterTerm& term);
  PortRange parse_port();

  std::string_view text_;
  std::size_t at_ = 0;
  FilterExpression out_;
};

void Parser::parse_name() {
  if (text_.empty()) fail(0, "the expression is empty: " + std::string(kSyntax));
  if (begins_with_direction(text_)) {
    fail(0,
         "':' is missing before the direction: ':RX@...' excludes, 'name:RX@...' counts under a "
         "name");
  }
  const std::string_view name = take_until(":");
  if (!take(':')) {
    fail(at_, "no ':' found: an expression is " + std::string(kSyntax) +
                  "; an interface is given with -i, a capture file with -r");
  }
  check_name(name);
  out_.name = name;
  if (is_plain(name)) return;
  out_.warnings.push_back("filter " + in_quotes(text_) + ": the name " + in_quotes(name) +
                          " has characters other than letters, digits, '_', '-' and '.', which "
                          "scripts and metric systems may not accept");
}

void Parser::check_name(std::string_view name) const {
  for (std::size_t i = 0; i < name.size();) {
    const Character c = first_character(name.substr(i));
    if (!c.printable) {
      fail(i, "a name has printable UTF-8 characters only: no control or bidirectional ones");
    }
    if (i + c.bytes > kMaxFilterNameBytes) {
      fail(i, "the name is longer than " + std::to_string(kMaxFilterNameBytes) + " bytes");
    }
    i += c.bytes;
  }
  if (name.starts_with(' ')) fail(0, "a name cannot begin with a space");
  if (name.ends_with(' ')) fail(name.size() - 1, "a name cannot end with a space");
  if (name == "pcap") fail(0, "the name 'pcap' is reserved: it is a key of the socket's reply");
}

void Parser::parse_direction() {
  const std::size_t start = at_;
  const std::string_view token = take_until("@:,");
  if (token != "RX" && token != "TX") {
    fail(start, in_quotes(token) +
                    " is not a direction: RX (the responder is local) or TX (the initiator is "
                    "local), in capitals");
  }
  if (!take('@')) fail(at_, "'@' is missing after the direction " + std::string(token));
  out_.direction = token == "RX" ? Direction::rx : Direction::tx;
}

void Parser::parse_term() {
  FilterTerm term;
  parse_remote(term);
  if (!take(':')) fail(at_, "':PORT' is missing after the address");
  do {
    term.ports.push_back(parse_port());
  } while (take(':'));
  out_.terms.push_back(std::move(term));
}

// The text of ADDR. The colons between brackets are part of it.
std::string_view Parser::take_remote() {
  const std::size_t start = at_;
  if (text_.substr(at_).starts_with('[')) {
    take_until("]");
    if (!take(']')) fail(start, "']' is missing: an IPv6 address is written [ADDRESS]");
  }
  take_until(":,");
  return text_.substr(start, at_ - start);
}

void Parser::parse_remote(FilterTerm& term) {
  const std::size_t start = at_;
  const std::string_view token = take_remote();
  if (is_wildcard(token)) {
    term.any_address = true;
    return;
  }
  const auto parsed = parse_prefix(token);
  // Without brackets an IPv6 address has been cut at its first colon, so it is not an address any more.
  if (!parsed) {
    const PrefixMistake mistake = explain_prefix(token, kAddresses);
    fail(start + mistake.position, mistake.reason);
  }
  term.remote = parsed->prefix;
  if (!parsed->host_bits_cleared) return;
  out_.warnings.push_back("filter " + in_quotes(text_) + ": " + std::string(token) +
                          " has bits beyond its prefix, " + to_string(parsed->prefix) + " is used");
}

PortRange Parser::parse_port() {
  const std::size_t start = at_;
  const std::string_view token = take_until(":,");
  if (is_wildcard(token)) return kAnyPort;

  const std::size_t dash = token.find('-');
  const auto first = parse_number(token.substr(0, dash), 1, 65535);
  const auto last =
      dash == std::string_view::npos ? first : parse_number(token.substr(dash + 1), 1, 65535);
  if (!first || !last) {
    fail(start,
         (token.empty() ? std::string("a port is missing") : in_quotes(token) + " is not a port") +
             ": 1 to 65535, a range such as 8000-8099, % or *");
  }
  if (*first > *last) fail(start, "the range " + in_quotes(token) + " runs backwards");
  return {static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
}

std::string render(std::string_view text, std::size_t position, std::string_view reason) {
  std::string out(reason);
  out += "\n  " + printable(text) + "\n  ";
  out.append(printed_width(text.substr(0, position)), ' ');
  out += '^';
  return out;
}

// Adds up filters, terms and ports, and refuses the filter that exceeds a bound.
class Bounds {
 public:
  void add(const FilterExpression& filter) {
    check(filter, ++filters_, kMaxFilters, "filters, RX and TX included");
    check(filter, terms_ += filter.terms.size(), kMaxFilterTerms, "ADDR:PORT terms in all filters");
    for (const FilterTerm& term : filter.terms) port_ranges_ += term.ports.size();
    check(filter, port_ranges_, kMaxFilterPortRanges, "ports and ranges in all filters");
  }

 private:
  static void check(const FilterExpression& filter, std::size_t count, std::size_t bound,
                    std::string_view what) {
    if (count <= bound) return;
    throw FilterError(filter.text, 0,
                      "too many filters: at most " + std::to_string(bound) + ' ' +
                          std::string(what) + ", and this one exceeds that");
  }

  std::size_t filters_ = 0;
  std::size_t terms_ = 0;
  std::size_t port_ranges_ = 0;
};

}  // namespace

FilterError::FilterError(std::string_view text, std::size_t position, std::string_view reason)
    : std::runtime_error(render(text, std::min(position, text.size()), reason)),
      text_(text),
      reason_(reason),
      position_(std::min(position, text.size())) {}

FilterExpression parse_filter(std::string_view text) {
  return Parser(text).run();
}

std::vector<FilterExpression> parse_filters(const std::vector<std::string>& texts) {
  std::vector<FilterExpression> filters;
  std::unordered_set<std::string> names;
  Bounds bounds;
  const auto add = [&](std::string_view text) {
    FilterExpression filter = parse_filter(text);
    bounds.add(filter);
    if (!filter.excludes() && !names.insert(filter.name).second) {
      const bool always = filter.name == "RX" || filter.name == "TX";
      throw FilterError(text, 0,
                        "the name " + in_quotes(filter.name) +
                            (always ? " is taken by the filter that always exists"
                                    : " is used by an earlier filter"));
    }
    filters.push_back(std::move(filter));
  };
  add("RX:RX@%:%");
  add("TX:TX@%:%");
  for (const std::string& text : texts) add(text);
  return filters;
}

}  // namespace tcpeek::engine
