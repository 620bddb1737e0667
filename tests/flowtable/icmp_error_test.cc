// What each type and code of an ICMP error says.

#include "flowtable/icmp_error.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>

namespace tcpeek::flowtable {
namespace {

constexpr bool kV6 = true;
constexpr bool kV4 = false;

Unreachable reason(bool v6, std::uint8_t type, std::uint8_t code) {
  return reason_of({.router = {}, .type = type, .code = code, .v6 = v6});
}

TEST(IcmpErrorTest, CodesOfDestinationUnreachable) {
  const std::map<int, Unreachable> v4{
      {0, Unreachable::no_route},    {1, Unreachable::host},         {2, Unreachable::protocol},
      {3, Unreachable::port},        {5, Unreachable::source_route}, {6, Unreachable::no_route},
      {7, Unreachable::host},        {8, Unreachable::host},         {9, Unreachable::prohibited},
      {10, Unreachable::prohibited}, {11, Unreachable::no_route},    {12, Unreachable::host},
      {13, Unreachable::prohibited}, {14, Unreachable::prohibited},  {15, Unreachable::prohibited},
  };
  const std::map<int, Unreachable> v6{
      {0, Unreachable::no_route},   {1, Unreachable::prohibited},   {2, Unreachable::prohibited},
      {3, Unreachable::host},       {4, Unreachable::port},         {5, Unreachable::prohibited},
      {6, Unreachable::prohibited}, {7, Unreachable::source_route},
  };
  for (int code = 0; code < 256; ++code) {
    const auto c = static_cast<std::uint8_t>(code);
    EXPECT_EQ(reason(kV4, 3, c), v4.contains(code) ? v4.at(code) : Unreachable::other) << code;
    EXPECT_EQ(reason(kV6, 1, c), v6.contains(code) ? v6.at(code) : Unreachable::other) << code;
  }
}

TEST(IcmpErrorTest, OtherTypesWhateverTheCode) {
  for (const std::uint8_t code : {std::uint8_t{0}, std::uint8_t{1}, std::uint8_t{255}}) {
    EXPECT_EQ(reason(kV4, 11, code), Unreachable::hop_limit);
    EXPECT_EQ(reason(kV6, 3, code), Unreachable::hop_limit);
    EXPECT_EQ(reason(kV4, 12, code), Unreachable::bad_header);
    EXPECT_EQ(reason(kV6, 4, code), Unreachable::bad_header);
  }
}

TEST(IcmpErrorTest, EachHasAWordOfItsOwn) {
  std::map<std::string_view, int> seen;
  for (std::size_t i = 0; i < kUnreachables; ++i) {
    EXPECT_FALSE(words(static_cast<Unreachable>(i)).empty());
    ++seen[word(static_cast<Unreachable>(i))];
  }
  EXPECT_EQ(seen.size(), kUnreachables);
}

}  // namespace
}  // namespace tcpeek::flowtable
