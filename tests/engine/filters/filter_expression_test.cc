// Filter expressions: what is understood, what is refused, and where the caret stands.
#include "engine/filters/filter_expression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/text.h"
#include "tests/support/seeds.h"

namespace tcpeek::engine {
namespace {

using namespace std::string_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr PortRange kAny{0, 65535};

std::string message_of(const std::string& text) {
  try {
    (void)parse_filter(text);
  } catch (const FilterError& error) {
    return error.what();
  }
  return "accepted";
}

std::string message_of_all(const std::vector<std::string>& texts) {
  try {
    (void)parse_filters(texts);
  } catch (const FilterError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(ParseFilter, understands_the_examples_of_the_manual) {
  const FilterExpression web = parse_filter("filter:RX@%:80:443");
  EXPECT_EQ(web.text, "filter:RX@%:80:443");
  EXPECT_EQ(web.name, "filter");
  EXPECT_EQ(web.direction, Direction::rx);
  ASSERT_THAT(web.terms, SizeIs(1));
  EXPECT_TRUE(web.terms[0].any_address);
  EXPECT_THAT(web.terms[0].ports, ElementsAre(PortRange{80, 80}, PortRange{443, 443}));
  EXPECT_FALSE(web.excludes());
  EXPECT_THAT(web.warnings, IsEmpty());

  const FilterExpression out = parse_filter("filter:TX@192.168.0.0/24:%");
  EXPECT_EQ(out.direction, Direction::tx);
  ASSERT_THAT(out.terms, SizeIs(1));
  EXPECT_FALSE(out.terms[0].any_address);
  EXPECT_EQ(to_string(out.terms[0].remote), "192.168.0.0/24");
  EXPECT_THAT(out.terms[0].ports, ElementsAre(kAny));

  const FilterExpression many =
      parse_filter("filter:TX@192.168.0.1:80:443:8080,192.168.0.2:80,192.168.0.3:80:8080");
  ASSERT_THAT(many.terms, SizeIs(3));
  EXPECT_THAT(many.terms[0].ports, SizeIs(3));
  EXPECT_EQ(to_string(many.terms[2].remote), "192.168.0.3/32");
  EXPECT_THAT(many.terms[2].ports, ElementsAre(PortRange{80, 80}, PortRange{8080, 8080}));
}

TEST(ParseFilter, an_expression_without_a_name_excludes) {
  const FilterExpression ssh = parse_filter(":RX@*:22");
  EXPECT_TRUE(ssh.excludes());
  EXPECT_EQ(ssh.name, "");
  EXPECT_TRUE(ssh.terms.at(0).any_address);
}

TEST(ParseFilter, takes_ipv6_in_brackets) {
  for (const std::string text : {"a:TX@[2001:db8::]/32:443", "a:TX@[2001:db8::/32]:443"}) {
    const FilterExpression filter = parse_filter(text);
    EXPECT_EQ(to_string(filter.terms.at(0).remote), "2001:db8::/32") << text;
    EXPECT_THAT(filter.terms[0].ports, ElementsAre(PortRange{443, 443}));
  }
  const FilterExpression mixed = parse_filter("a:TX@[::1]:1,10.0.0.1:2,[2001:db8::1]:3:4");
  ASSERT_THAT(mixed.terms, SizeIs(3));
  EXPECT_EQ(to_string(mixed.terms[0].remote), "::1/128");
  EXPECT_EQ(to_string(mixed.terms[2].remote), "2001:db8::1/128");
}

TEST(ParseFilter, takes_ports_at_their_bounds_and_ranges) {
  const FilterExpression filter = parse_filter("a:RX@*:1:65535:8000-8099:7-7:1-65535:*:%");
  EXPECT_THAT(filter.terms.at(0).ports,
              ElementsAre(PortRange{1, 1}, PortRange{65535, 65535}, PortRange{8000, 8099},
                          PortRange{7, 7}, PortRange{1, 65535}, kAny, kAny));
}

TEST(ParseFilter, masks_host_bits_with_a_warning) {
  const FilterExpression filter = parse_filter("a:RX@10.1.2.3/8:80,10.0.0.0/8:80,[::1/64]:80");
  EXPECT_EQ(to_string(filter.terms.at(0).remote), "10.0.0.0/8");
  EXPECT_EQ(to_string(filter.terms.at(2).remote), "::/64");
  EXPECT_THAT(filter.warnings,
              ElementsAre("filter 'a:RX@10.1.2.3/8:80,10.0.0.0/8:80,[::1/64]:80': 10.1.2.3/8 has "
                          "bits beyond its prefix, 10.0.0.0/8 is used",
                          "filter 'a:RX@10.1.2.3/8:80,10.0.0.0/8:80,[::1/64]:80': [::1/64] has "
                          "bits beyond its prefix, ::/64 is used"));
}

TEST(ParseFilter, names_are_bounded_printable_utf8) {
  const std::string longest(kMaxFilterNameBytes, 'n');
  EXPECT_EQ(parse_filter(longest + ":RX@%:%").name, longest);
  EXPECT_EQ(parse_filter("\xe3\x81\xa6 x@y,[z]:RX@%:%").name, "\xe3\x81\xa6 x@y,[z]");
  EXPECT_EQ(parse_filter("PCAP:RX@%:%").name, "PCAP");
}

TEST(ParseFilter, names_that_others_may_not_take_come_with_a_warning) {
  for (const std::string name : {"web", "Web-1", "a.b_c", "0", "-", "RX", "z9"}) {
    EXPECT_THAT(parse_filter(name + ":RX@%:80").warnings, IsEmpty()) << name;
  }
  EXPECT_THAT(parse_filter(":RX@%:80").warnings, IsEmpty()) << "an exclusion has no name";
  for (const std::string name : {"web 1", "a\"b", "a'b", "$(id)", "a{b}", "a\\", "a,b", "a=b",
                                 "a;b", "<b>", "\xc3\xa4", "[x]", "a/b"}) {
    EXPECT_THAT(parse_filter(name + ":RX@%:80").warnings,
                ElementsAre("filter '" + name + ":RX@%:80': the name '" + name +
                            "' has characters other than letters, digits, '_', '-' and '.', which "
                            "scripts and metric systems may not accept"));
  }
}

TEST(ParseFilter, messages_are_whole) {
  EXPECT_EQ(message_of("web:RX@10.0.0.256:80"s),
            "'10.0.0.256' is not an address: %, *, IPv4 or IPv6 in [brackets], with /LENGTH for a "
            "network\n"
            "  web:RX@10.0.0.256:80\n"
            "         ^");
  EXPECT_EQ(message_of("\xe3\x81\xa6\xe3\x81\x83:XX@%:80"s),
            "'XX' is not a direction: RX (the responder is local) or TX (the initiator is local), "
            "in capitals\n"
            "  \xe3\x81\xa6\xe3\x81\x83:XX@%:80\n"
            "     ^");
  EXPECT_EQ(message_of("a\x1b[2J:RX@%:80"s),
            "a name has printable UTF-8 characters only: no control or bidirectional ones\n"
            "  a\\x1b[2J:RX@%:80\n"
            "   ^");
  EXPECT_EQ(message_of("eth0"s),
            "no ':' found: an expression is [name]:RX|TX@ADDR:PORT[:PORT...][,ADDR:PORT...]; an "
            "interface is given with -i, a capture file with -r\n"
            "  eth0\n"
            "      ^");
  EXPECT_EQ(message_of("RX@*:80"s),
            "':' is missing before the direction: ':RX@...' excludes, 'name:RX@...' counts under a "
            "name\n"
            "  RX@*:80\n"
            "  ^");
}

struct Refusal {
  std::string text;
  std::size_t position;
  std::string reason;
};

TEST(ParseFilter, refuses_with_the_place_and_the_reason) {
  const std::string too_long(kMaxFilterNameBytes + 1, 'n');
  const std::string cut_in_character = std::string(kMaxFilterNameBytes - 1, 'n') + "\xc3\xa4";
  const std::vector<Refusal> refusals{
      {"", 0, "is empty"},
      {":", 1, "'' is not a direction"},
      {"a", 1, "no ':' found"},
      {"rx@[::1]:80", 0, "':' is missing before"},
      {"TX@[::1]:80", 0, "':' is missing before"},
      {too_long + ":RX@%:%", kMaxFilterNameBytes, "longer than 64 bytes"},
      {cut_in_character + ":RX@%:%", kMaxFilterNameBytes - 1, "longer than 64 bytes"},
      {"a\tb:RX@%:%", 1, "printable"},
      {"a\0b:RX@%:%"s, 1, "printable"},
      {"ab\xff:RX@%:%", 2, "printable"},
      {"a\xe2\x80\xae:RX@%:%", 1, "bidirectional"},
      {"\xd8\x9c:RX@%:%", 0, "bidirectional"},
      {"a\xc2\x9b:RX@%:%", 1, "control"},
      {" :RX@%:%", 0, "begin with a space"},
      {" a:RX@%:%", 0, "begin with a space"},
      {"ab :RX@%:%", 2, "end with a space"},
      {"pcap:RX@%:%", 0, "'pcap' is reserved"},
      {"a:", 2, "'' is not a direction"},
      {"a:rx@%:%", 2, "in capitals"},
      {"a:Rx@%:%", 2, "'Rx' is not a direction"},
      {"a:RXX@%:%", 2, "'RXX' is not a direction"},
      {"a::RX@%:%", 2, "'' is not a direction"},
      {"a:80", 2, "'80' is not a direction"},
      {"a:RX", 4, "'@' is missing after the direction RX"},
      {"a:TX:80", 4, "'@' is missing after the direction TX"},
      {"a:RX@", 5, "an address is missing"},
      {"a:RX@:80", 5, "an address is missing"},
      {"a:RX@%", 6, "':PORT' is missing"},
      {"a:RX@%,", 6, "':PORT' is missing"},
      {"a:RX@1.2.3.4", 12, "':PORT' is missing"},
      {"a:RX@[::1]", 10, "':PORT' is missing"},
      {"a:RX@%%:80", 5, "'%%' is not an address"},
      {"a:RX@example.org:80", 5, "'example.org' is not an address"},
      {"a:RX@2001:db8::1:80", 5, "'2001' is not an address"},
      {"a:RX@::1:80", 5, "an address is missing"},
      {"a:RX@[1.2.3.4]:80", 6, "'1.2.3.4' is not an address"},
      {"a:RX@[]:80", 6, "'' is not an address"},
      {"a:RX@[%]:80", 6, "'%' is not an address"},
      {"a:RX@[::ffff:1.2.3.4]:80", 6, "is not an address"},
      {"a:RX@[fe80::1%lo]:80", 6, "is not an address"},
      {"a:RX@[::1:80", 5, "']' is missing"},
      {"a:RX@::1]:80", 5, "an address is missing"},
      {"a:RX@1.2.3.4]:80", 5, "'1.2.3.4]' is not an address"},
      {"a:RX@[::1]x:80", 10, "unexpected 'x' after ']'"},
      {"a:RX@[::1]]:80", 10, "unexpected ']' after ']'"},
      {"a:RX@[::/64]/64:80", 12, "inside the brackets already"},
      {"a:RX@1.2.3.4/33:80", 13, "'33' is not a prefix length from 0 to 32"},
      {"a:RX@1.2.3.4/:80", 13, "'' is not a prefix length"},
      {"a:RX@1.2.3.4/8/8:80", 13, "'8/8' is not a prefix length"},
      {"a:RX@1.2.3.4/-1:80", 13, "'-1' is not a prefix length"},
      {"a:RX@[::]/129:80", 10, "'129' is not a prefix length from 0 to 128"},
      {"a:RX@[::/129]:80", 9, "'129' is not a prefix length from 0 to 128"},
      {"a:RX@[::]/:80", 10, "'' is not a prefix length"},
      {"a:RX@%:", 7, "a port is missing"},
      {"a:RX@%:80:", 10, "a port is missing"},
      {"a:RX@%::80", 7, "a port is missing"},
      {"a:RX@%:80,", 10, "an address is missing"},
      {"a:RX@%:80,,%:80", 10, "an address is missing"},
      {"a:RX@%:80,%", 11, "':PORT' is missing"},
      {"a:RX@%:0", 7, "'0' is not a port"},
      {"a:RX@%:65536", 7, "'65536' is not a port"},
      {"a:RX@%:-1", 7, "'-1' is not a port"},
      {"a:RX@%:80-", 7, "'80-' is not a port"},
      {"a:RX@%:0-80", 7, "'0-80' is not a port"},
      {"a:RX@%:80-65536", 7, "'80-65536' is not a port"},
      {"a:RX@%:1-2-3", 7, "'1-2-3' is not a port"},
      {"a:RX@%:%-80", 7, "'%-80' is not a port"},
      {"a:RX@%:http", 7, "'http' is not a port"},
      {"a:RX@%: 80", 7, "' 80' is not a port"},
      {"a:RX@%:80 ", 7, "'80 ' is not a port"},
      {"a:RX@%:90-80", 7, "'90-80' runs backwards"},
      {"a:RX@%:80\0"s, 7, "'80\\x00' is not a port"},
  };
  for (const Refusal& refusal : refusals) {
    try {
      (void)parse_filter(refusal.text);
      ADD_FAILURE() << "accepted: " << printable(refusal.text);
    } catch (const FilterError& error) {
      EXPECT_EQ(error.position(), refusal.position) << error.what();
      EXPECT_THAT(error.what(), HasSubstr(refusal.reason));
      EXPECT_THAT(error.what(), HasSubstr("\n  " + printable(refusal.text) + "\n  "));
    }
  }
}

// Pieces of the syntax and noise in any order: what comes out is whole, or the error is.
TEST(ParseFilter, holds_its_promises_on_random_text) {
  const std::vector<std::string> pieces{
      ":",        "@",        ",",     "/",   "[",   "]", "%",     "*",    "-",
      "RX@",      "TX@",      "a",     "RX",  "80",  "0", "99999", "1-9",  "9-1",
      "10.0.0.1", "::1",      "[::1]", "/8",  "/64", " ", "\n",    "\xff", "\xe3\x81\xa6",
      "\0"s,      ":RX@%:80", "a:TX@", ",%:%"};
  std::mt19937 random(20121);
  std::uint64_t accepted = 0;
  const std::uint64_t rounds = tcpeek::test::share_of(200'000);
  for (std::uint64_t i = 0; i < rounds; ++i) {
    std::string text = random() % 2 == 0 ? "a:RX@" : "";
    for (auto n = random() % 8; n > 0; --n) text += pieces[random() % pieces.size()];
    try {
      const FilterExpression filter = parse_filter(text);
      ++accepted;
      ASSERT_EQ(filter.text, text);
      ASSERT_FALSE(filter.terms.empty());
      for (const FilterTerm& term : filter.terms) {
        ASSERT_FALSE(term.ports.empty()) << text;
        for (const PortRange& range : term.ports) ASSERT_LE(range.first, range.last) << text;
      }
    } catch (const FilterError& error) {
      const std::string message = error.what();
      ASSERT_LE(error.position(), text.size());
      ASSERT_EQ(std::count(message.begin(), message.end(), '\n'), 2) << printable(text);
      const std::size_t caret = printed_width(std::string_view(text).substr(0, error.position()));
      ASSERT_TRUE(message.ends_with("\n  " + std::string(caret, ' ') + "^")) << printable(text);
    }
  }
  EXPECT_GT(accepted, rounds / 400);
}

TEST(FilterError, keeps_its_caret_within_the_text) {
  const FilterError error("abc", 99, "reason");
  EXPECT_EQ(error.position(), 3U);
  EXPECT_STREQ(error.what(), "reason\n  abc\n     ^");
}

TEST(ParseFilters, begins_with_the_two_that_always_exist) {
  const auto filters = parse_filters({"b:TX@%:1", ":RX@%:22", "a:RX@%:2"});
  ASSERT_THAT(filters, SizeIs(5));
  EXPECT_EQ(filters[0].text, "RX:RX@%:%");
  EXPECT_EQ(filters[0].direction, Direction::rx);
  EXPECT_EQ(filters[1].text, "TX:TX@%:%");
  EXPECT_EQ(filters[1].direction, Direction::tx);
  EXPECT_EQ(filters[2].name, "b");
  EXPECT_TRUE(filters[3].excludes());
  EXPECT_EQ(filters[4].name, "a");
  EXPECT_THAT(parse_filters({}), SizeIs(2));
}

TEST(ParseFilters, refuses_a_name_twice) {
  EXPECT_EQ(message_of_all({"a:RX@%:1"s, "b:RX@%:1"s, "a:TX@%:2"s}),
            "the name 'a' is used by an earlier filter\n  a:TX@%:2\n  ^");
  EXPECT_EQ(message_of_all({"RX:RX@%:80"s}),
            "the name 'RX' is taken by the filter that always exists\n  RX:RX@%:80\n  ^");
  EXPECT_THAT(message_of_all({"TX:RX@%:80"s}), HasSubstr("the name 'TX' is taken"));
  EXPECT_THAT(parse_filters({":RX@%:1", ":RX@%:1", "rx:RX@%:1"}), SizeIs(5));
}

TEST(ParseFilters, is_bounded_in_filters) {
  std::vector<std::string> texts(kMaxFilters - 2, ":RX@%:22");
  EXPECT_THAT(parse_filters(texts), SizeIs(kMaxFilters));
  texts.emplace_back("last:RX@%:22");
  EXPECT_EQ(
      message_of_all(texts),
      "too many filters: at most 1024 filters, RX and TX included, and this one exceeds that\n"
      "  last:RX@%:22\n  ^");
}

std::string repeated(std::string text, const std::string& part, std::size_t times) {
  for (std::size_t i = 0; i < times; ++i) text += part;
  return text;
}

TEST(ParseFilters, is_bounded_in_terms) {
  const std::size_t more = kMaxFilterTerms - 2 - 1;
  EXPECT_THAT(parse_filters({repeated("a:RX@%:1", ",%:1", more)}), SizeIs(3));
  EXPECT_THAT(message_of_all({repeated("a:RX@%:1", ",%:1", more + 1)}),
              HasSubstr("at most 4096 ADDR:PORT terms in all filters"));
  EXPECT_THAT(message_of_all({repeated("a:RX@%:1", ",%:1", more), "b:RX@%:1"s}),
              HasSubstr("\n  b:RX@%:1\n"));
}

TEST(ParseFilters, is_bounded_in_ports) {
  const std::size_t more = kMaxFilterPortRanges - 2 - 1;
  EXPECT_THAT(parse_filters({repeated("a:RX@%:1", ":1", more)}), SizeIs(3));
  EXPECT_THAT(message_of_all({repeated("a:RX@%:1", ":1", more + 1)}),
              HasSubstr("at most 8192 ports and ranges in all filters"));
}

}  // namespace
}  // namespace tcpeek::engine
