// Addresses and prefixes: notations taken and refused, what a prefix contains, and back to text.
#include "engine/filters/address.h"

#include <gtest/gtest.h>

#include <string>

namespace tcpeek::engine {
namespace {

using namespace std::string_literals;

Address address(std::string_view text) {
  return parse_address(text).value();
}
Prefix prefix(std::string_view text) {
  return parse_prefix(text).value().prefix;
}

TEST(ParseAddress, keeps_ipv4_in_its_mapped_form) {
  const Address a = address("192.0.2.1");
  const Address expected{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1}};
  EXPECT_EQ(a, expected);
  EXPECT_TRUE(a.is_v4());
}

TEST(ParseAddress, takes_ipv6) {
  const Address a = address("2001:db8::1");
  const Address expected{{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
  EXPECT_EQ(a, expected);
  EXPECT_FALSE(a.is_v4());
  EXPECT_EQ(address("::"), Address{});
  EXPECT_TRUE(parse_address("2001:0db8:0000:0000:0000:0000:0000:0001"));
  EXPECT_TRUE(parse_address("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"));
  EXPECT_FALSE(address("::1.2.3.4").is_v4());
}

TEST(ParseAddress, refuses_ipv4_in_ipv6_clothes) {
  EXPECT_FALSE(parse_address("::ffff:1.2.3.4"));
  EXPECT_FALSE(parse_address("::ffff:102:304"));
  EXPECT_FALSE(parse_address("0:0:0:0:0:FFFF:1.2.3.4"));
  EXPECT_FALSE(parse_prefix("::ffff:0:0/96"));
}

TEST(ParseAddress, refuses_everything_else) {
  for (const std::string& text : {""s,
                                  " "s,
                                  "1.2.3"s,
                                  "1.2.3.4.5"s,
                                  "1.2.3.256"s,
                                  "01.2.3.4"s,
                                  "1.2.3.4 "s,
                                  " 1.2.3.4"s,
                                  "1.2.3.4\0"s,
                                  "1.2.3.4\0x"s,
                                  "0x7f000001"s,
                                  "127.1"s,
                                  "[::1]"s,
                                  "::1/128"s,
                                  "1.2.3.4/32"s,
                                  ":::"s,
                                  "1::2::3"s,
                                  "12345::"s,
                                  "fe80::1%lo"s,
                                  "localhost"s,
                                  "%"s,
                                  std::string(200, '1'),
                                  "2001:0db8:0000:0000:0000:0000:0000:0001:0002"s}) {
    EXPECT_FALSE(parse_address(text)) << '"' << text << '"';
  }
}

TEST(ParsePrefix, takes_every_notation) {
  EXPECT_EQ(to_string(prefix("10.0.0.0/8")), "10.0.0.0/8");
  EXPECT_EQ(to_string(prefix("10.0.0.1")), "10.0.0.1/32");
  EXPECT_EQ(to_string(prefix("0.0.0.0/0")), "0.0.0.0/0");
  EXPECT_EQ(to_string(prefix("2001:db8::/32")), "2001:db8::/32");
  EXPECT_EQ(to_string(prefix("[2001:db8::]/32")), "2001:db8::/32");
  EXPECT_EQ(to_string(prefix("[2001:db8::/32]")), "2001:db8::/32");
  EXPECT_EQ(to_string(prefix("[2001:db8::]")), "2001:db8::/128");
  EXPECT_EQ(to_string(prefix("::1")), "::1/128");
  EXPECT_EQ(to_string(prefix("[::]/0")), "::/0");
  EXPECT_EQ(prefix("10.0.0.0/8").length, 104);
  EXPECT_EQ(prefix("10.0.0.0/32").length, 128);
  EXPECT_EQ(prefix("::/128").length, 128);
}

TEST(ParsePrefix, clears_host_bits_and_says_so) {
  const auto dirty = parse_prefix("10.1.2.3/12").value();
  EXPECT_TRUE(dirty.host_bits_cleared);
  EXPECT_EQ(to_string(dirty.prefix), "10.0.0.0/12");
  const auto dirty6 = parse_prefix("[2001:db8::ffff]/113").value();
  EXPECT_TRUE(dirty6.host_bits_cleared);
  EXPECT_EQ(to_string(dirty6.prefix), "2001:db8::8000/113");
  const auto all = parse_prefix("1.2.3.4/0").value();
  EXPECT_TRUE(all.host_bits_cleared);
  EXPECT_EQ(to_string(all.prefix), "0.0.0.0/0");
  EXPECT_FALSE(parse_prefix("10.0.0.0/8")->host_bits_cleared);
  EXPECT_FALSE(parse_prefix("10.0.0.1")->host_bits_cleared);
  EXPECT_FALSE(parse_prefix("::/0")->host_bits_cleared);
}

TEST(ParsePrefix, refuses_everything_else) {
  for (const std::string text : {"",
                                 "/",
                                 "/8",
                                 "10.0.0.0/",
                                 "10.0.0.0/33",
                                 "10.0.0.0/-1",
                                 "10.0.0.0/+8",
                                 "10.0.0.0/ 8",
                                 "10.0.0.0/8 ",
                                 "10.0.0.0/8/8",
                                 "10.0.0.0/x",
                                 "10/8",
                                 "[10.0.0.0]",
                                 "[10.0.0.0/8]",
                                 "[10.0.0.0]/8",
                                 "::/129",
                                 "[::]/129",
                                 "[::/129]",
                                 "[::/8]/8",
                                 "[::]8",
                                 "[::]/",
                                 "[::/]",
                                 "[::",
                                 "::]",
                                 "[]",
                                 "[]/8",
                                 "[[::]]",
                                 "[::]/8]",
                                 "10.0.0.0/4294967304"}) {
    EXPECT_FALSE(parse_prefix(text)) << '"' << text << '"';
  }
}

// The same texts, each with a place and a reason.
TEST(ExplainPrefix, points_at_the_mistake) {
  struct Case {
    std::string text;
    std::size_t position;
    std::string reason;
  };
  const Case cases[] = {
      {"", 0, "an address is missing: allowed"},
      {"/8", 0, "'' is not an address: allowed"},
      {"10/8", 0, "'10' is not an address: allowed"},
      {"[10.0.0.0/8]", 1, "'10.0.0.0' is not an address: allowed"},
      {"[::", 0, "']' is missing: an IPv6 address is written [ADDRESS]"},
      {"::]", 0, "'::]' is not an address: allowed"},
      {"[]/8", 1, "'' is not an address: allowed"},
      {"[::]8", 4, "unexpected '8' after ']'"},
      {"[::/8]/8", 6, "the prefix length stands inside the brackets already"},
      {"10.0.0.0/", 9, "'' is not a prefix length from 0 to 32"},
      {"10.0.0.0/33", 9, "'33' is not a prefix length from 0 to 32"},
      {"10.0.0.0/8/8", 9, "'8/8' is not a prefix length from 0 to 32"},
      {"::/129", 3, "'129' is not a prefix length from 0 to 128"},
      {"[::/129]", 4, "'129' is not a prefix length from 0 to 128"},
      {"[::]/129", 5, "'129' is not a prefix length from 0 to 128"},
      {"[::]/", 5, "'' is not a prefix length from 0 to 128"},
  };
  for (const Case& c : cases) {
    ASSERT_FALSE(parse_prefix(c.text)) << c.text;
    const PrefixMistake mistake = explain_prefix(c.text, "allowed");
    EXPECT_EQ(mistake.position, c.position) << c.text;
    EXPECT_EQ(mistake.reason, c.reason) << c.text;
  }
}

TEST(Prefix, contains_by_its_bits) {
  EXPECT_TRUE(prefix("10.0.0.0/8").contains(address("10.255.255.255")));
  EXPECT_FALSE(prefix("10.0.0.0/8").contains(address("11.0.0.0")));
  EXPECT_FALSE(prefix("10.0.0.0/8").contains(address("9.255.255.255")));
  EXPECT_TRUE(prefix("10.0.0.128/25").contains(address("10.0.0.128")));
  EXPECT_FALSE(prefix("10.0.0.128/25").contains(address("10.0.0.127")));
  EXPECT_TRUE(prefix("10.0.0.1").contains(address("10.0.0.1")));
  EXPECT_FALSE(prefix("10.0.0.1").contains(address("10.0.0.0")));
  EXPECT_TRUE(prefix("2001:db8::/33").contains(address("2001:db8:7fff::")));
  EXPECT_FALSE(prefix("2001:db8::/33").contains(address("2001:db8:8000::")));
  EXPECT_TRUE(prefix("::1").contains(address("::1")));
  EXPECT_FALSE(prefix("::1").contains(address("::")));
}

TEST(Prefix, keeps_the_families_apart) {
  EXPECT_TRUE(prefix("0.0.0.0/0").contains(address("255.255.255.255")));
  EXPECT_FALSE(prefix("0.0.0.0/0").contains(address("::")));
  EXPECT_FALSE(prefix("0.0.0.0/0").contains(address("2001:db8::1")));
  EXPECT_TRUE(prefix("::/0").contains(address("2001:db8::1")));
  EXPECT_TRUE(prefix("::/0").contains(address("::1.2.3.4")));
  EXPECT_FALSE(prefix("::/0").contains(address("1.2.3.4")));
  EXPECT_FALSE(prefix("::/80").contains(address("1.2.3.4")));
  EXPECT_FALSE(prefix("::fffe:0:0/95").contains(address("1.2.3.4")));
  EXPECT_TRUE(prefix("::fffe:0:0/95").contains(address("::fffe:1.2.3.4")));
}

TEST(ToString, gives_back_the_usual_notation) {
  EXPECT_EQ(to_string(address("192.0.2.1")), "192.0.2.1");
  EXPECT_EQ(to_string(address("0.0.0.0")), "0.0.0.0");
  EXPECT_EQ(to_string(address("2001:DB8:0:0::1")), "2001:db8::1");
  EXPECT_EQ(to_string(Address{}), "::");
  EXPECT_EQ(to_string(Prefix{}), "::/0");
  EXPECT_EQ(to_string(address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")),
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

}  // namespace
}  // namespace tcpeek::engine
