// Filter expressions, one a line. One that is refused has its caret under one of its characters; one
// that is taken means the same when it is written out again; all of them together match attempts around
// their edges as the naive matcher does.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/text.h"
#include "engine/filters/filter_expression.h"
#include "tests/engine/filters/naive_matcher.h"
#include "tests/fuzz/lines.h"

namespace tcpeek::engine::matcher_test {
namespace {

constexpr std::size_t kMostFilters = 12;
constexpr std::size_t kMostAddresses = 16;  // at whose edges attempts lie
constexpr std::size_t kMostPorts = 8;

void expect_readable(const FilterError& error, std::string_view text) {
  EXPECT_LE(error.position(), text.size());
  const std::vector<std::string> lines = fuzz::split(error.what(), '\n');
  ASSERT_EQ(lines.size(), 3U) << error.what();
  EXPECT_FALSE(lines[0].empty());
  for (const std::string& line : lines) EXPECT_EQ(printable(line), line);
  EXPECT_EQ(lines[1], "  " + printable(text));
  const std::size_t caret = lines[2].size() - 1;
  EXPECT_EQ(lines[2], std::string(caret, ' ') + "^");
  EXPECT_LE(caret, 2 + printed_width(text));
}

// In the plainest form.
std::string written(const FilterExpression& filter) {
  std::string text = filter.name + (filter.direction == Direction::rx ? ":RX@" : ":TX@");
  bool first = true;
  for (const FilterTerm& term : filter.terms) {
    if (!std::exchange(first, false)) text += ',';
    const std::string remote = to_string(term.remote);
    const bool v6 = remote.find(':') != std::string::npos;
    text += term.any_address ? "*" : v6 ? "[" + remote + "]" : remote;
    for (const PortRange& range : term.ports) {
      if (range == PortRange{}) {
        text += ":%";
      } else {
        text.append(":").append(std::to_string(range.first));
        text.append("-").append(std::to_string(range.last));
      }
    }
  }
  return text;
}

bool same_terms(const FilterTerm& a, const FilterTerm& b) {
  return a.any_address == b.any_address && a.remote == b.remote && a.ports == b.ports;
}

void expect_sound(const FilterExpression& filter, std::string_view text) {
  EXPECT_EQ(filter.text, text);
  EXPECT_EQ(printable(filter.name), filter.name);
  EXPECT_LE(filter.name.size(), kMaxFilterNameBytes);
  EXPECT_FALSE(filter.terms.empty());
  for (const FilterTerm& term : filter.terms) {
    EXPECT_FALSE(term.ports.empty());
    for (const PortRange& range : term.ports) EXPECT_LE(range.first, range.last);
    if (!term.any_address) EXPECT_TRUE(term.remote.contains(term.remote.address));
  }
  for (const std::string& warning : filter.warnings) EXPECT_EQ(printable(warning), warning);
  const FilterExpression again = parse_filter(written(filter));
  EXPECT_EQ(again.name, filter.name);
  EXPECT_EQ(again.direction, filter.direction);
  EXPECT_LE(again.warnings.size(), 1U);  // of the name
  EXPECT_TRUE(std::equal(again.terms.begin(), again.terms.end(), filter.terms.begin(),
                         filter.terms.end(), same_terms));
}

// Each of them alone; those that are taken are returned.
std::vector<std::string> parse_each(const std::vector<std::string>& lines) {
  std::vector<std::string> taken;
  for (const std::string& line : lines) {
    try {
      expect_sound(parse_filter(line), line);
      taken.push_back(line);
    } catch (const FilterError& error) {
      expect_readable(error, line);
    }
  }
  taken.resize(std::min(taken.size(), kMostFilters));
  return taken;
}

// The neighbour of an address, with carry.
Address beside(Address a, bool above) {
  for (std::size_t i = 16; i-- > 0;) {
    a.bytes[i] = static_cast<std::uint8_t>(a.bytes[i] + (above ? 1 : -1));
    if (a.bytes[i] != (above ? 0x00 : 0xff)) break;
  }
  return a;
}

Address last_of(const Prefix& prefix) {
  Address a = prefix.address;
  for (unsigned i = prefix.length; i < 128; ++i) {
    a.bytes[i / 8] = static_cast<std::uint8_t>(a.bytes[i / 8] | (0x80U >> (i % 8)));
  }
  return a;
}

struct Edges {
  std::vector<Address> addresses{parse_address("192.0.2.1").value(),
                                 parse_address("2001:db8::1").value()};
  std::vector<std::uint16_t> ports{80};
};

Edges edges_of(const std::vector<FilterExpression>& filters) {
  Edges edges;
  for (const FilterExpression& filter : filters) {
    for (const FilterTerm& term : filter.terms) {
      const Address last = last_of(term.remote);
      const Address& first = term.remote.address;
      if (!term.any_address && edges.addresses.size() < kMostAddresses) {
        edges.addresses.insert(edges.addresses.end(),
                               {first, last, beside(first, false), beside(last, true)});
      }
      for (const PortRange& range : term.ports) {
        if (edges.ports.size() >= kMostPorts) break;
        for (const int port : {range.first - 1, range.first + 0, range.last + 0, range.last + 1}) {
          edges.ports.push_back(static_cast<std::uint16_t>(port));
        }
      }
    }
  }
  return edges;
}

void match(const std::vector<FilterExpression>& filters) {
  const FilterMatcher matcher(filters);
  const Edges edges = edges_of(filters);
  std::size_t n = 0;
  for (const Address& remote : edges.addresses) {
    for (const std::uint16_t port : edges.ports) {
      // Every direction with every edge as either end; the other end walks along the edges.
      const Address& other = edges.addresses[n++ % edges.addresses.size()];
      for (const std::uint8_t directions : {kRx, kTx, kBoth, std::uint8_t{0}}) {
        const Attempt in{remote, other, port, directions};
        const Attempt out{other, remote, port, directions};
        EXPECT_TRUE(run(matcher, in) == naive(filters, in)) << to_string(remote) << ' ' << port;
        EXPECT_TRUE(run(matcher, out) == naive(filters, out)) << to_string(remote) << ' ' << port;
      }
    }
  }
}

void test_one(std::string_view text) {
  const std::vector<std::string> taken = parse_each(fuzz::split(text, '\n'));
  std::vector<FilterExpression> filters;
  try {
    filters = parse_filters(taken);
  } catch (const FilterError& error) {
    EXPECT_NE(std::string_view(error.what()).find("the name '"), std::string_view::npos);
    return;
  }
  EXPECT_EQ(filters.size(), taken.size() + 2);
  match(filters);
}

}  // namespace
}  // namespace tcpeek::engine::matcher_test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tcpeek::engine::matcher_test::test_one({reinterpret_cast<const char*>(data), size});
  return 0;
}
