// What ICMP errors said, kept once for all attempts that they ended.

#include "flowtable/noted_errors.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <random>

#include "tests/support/segments.h"

namespace tcpeek::flowtable {
namespace {

IcmpError error_of(std::uint32_t router, std::uint8_t code = 1) {
  IcmpError error{.router = test::v4(static_cast<std::uint8_t>(router), 0).address,
                  .type = 3,
                  .code = code,
                  .v6 = false};
  error.router[14] = static_cast<std::uint8_t>(router >> 8);
  return error;
}

TEST(NotedErrorsTest, TheSameErrorHasOneNumber) {
  NotedErrors errors;
  const std::uint32_t number = errors.note(error_of(1));
  EXPECT_EQ(errors.note(error_of(1)), number);
  EXPECT_NE(errors.note(error_of(1, 13)), number);
  EXPECT_NE(errors.note(error_of(2)), number);
  ASSERT_NE(errors.find(number), nullptr);
  EXPECT_EQ(*errors.find(number), error_of(1));
}

TEST(NotedErrorsTest, NoNumberNamesAnErrorThatWasNeverNoted) {
  NotedErrors errors;
  EXPECT_EQ(errors.find(0), nullptr);
  const std::uint32_t number = errors.note(error_of(1));
  for (std::uint32_t i = 0; i < 50'000; ++i) {
    EXPECT_EQ(errors.find(i) != nullptr, i == number) << i;
  }
}

// A displaced error is unknown; its number never names another.
TEST(NotedErrorsTest, ANumberNamesItsErrorOrNothing) {
  NotedErrors errors;
  std::map<std::uint32_t, std::uint32_t> routers;
  std::mt19937 random(7);
  for (int i = 0; i < 100'000; ++i) {
    const auto router = static_cast<std::uint32_t>(random() % 60'000);
    routers[errors.note(error_of(router))] = router;
  }
  std::size_t known = 0;
  for (const auto& [number, router] : routers) {
    const IcmpError* const error = errors.find(number);
    if (error == nullptr) continue;
    EXPECT_EQ(*error, error_of(router));
    ++known;
  }
  EXPECT_LE(known, NotedErrors::kMost);
  EXPECT_GT(known, NotedErrors::kMost / 2);
}

TEST(NotedErrorsTest, OneInUseIsNotDisplacedByMany) {
  NotedErrors errors;
  const std::uint32_t number = errors.note(error_of(1));
  for (std::uint32_t router = 2; router < 40'000; ++router) {
    static_cast<void>(errors.note(error_of(router)));
    EXPECT_EQ(errors.note(error_of(1)), number) << router;
  }
}

TEST(AnsweredErrorsTest, ByTheConnectionAndTheQuotedNumber) {
  const auto key = [](std::uint16_t port) {
    return make_key(test::v4(1, port), test::v4(2, 80)).key;
  };
  AnsweredErrors errors;
  EXPECT_EQ(errors.find(key(1), 10, 0), 0U);
  errors.note(key(1), 10, 0, 4711);
  errors.note(key(2), 10, 0, 4712);
  errors.note(key(1), 11, 0, 4713);
  EXPECT_EQ(errors.find(key(1), 10, 0), 4711U);
  EXPECT_EQ(errors.find(key(2), 10, 0), 4712U);
  EXPECT_EQ(errors.find(key(1), 11, 0), 4713U);
  errors.note(key(1), 10, 0, 4714);
  EXPECT_EQ(errors.find(key(1), 10, 0), 4714U) << "the latest counts";
  errors.note(key(3), 10, 0, 1);
  errors.note(key(4), 10, 0, 2);
  EXPECT_EQ(errors.find(key(2), 10, 0), 0U) << "the oldest of five was displaced";
  EXPECT_EQ(errors.find(key(1), 10, 0), 4714U);
}

}  // namespace
}  // namespace tcpeek::flowtable
