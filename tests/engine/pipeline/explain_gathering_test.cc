// What is gathered for EXPLAIN from the tables of real readers: which services, their siblings, who fails.
#include "engine/pipeline/explain_gathering.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/explain/case.h"
#include "engine/explain/words.h"
#include "engine/pipeline/top_exchange.h"
#include "tests/engine/pipeline/counting_rig.h"

namespace tcpeek::engine {
namespace {

using flowtable::test::Ends;
using flowtable::test::v4;
using test::CountingRig;
using ::testing::IsSupersetOf;
using ::testing::SizeIs;
namespace flag = flowtable::tcp_flag;

constexpr std::int64_t kSecond = 1'000'000;

void succeed(CountingRig& rig, const Ends& ends, std::int64_t at) {
  rig.see(ends.syn(10).at(at));
  rig.see(ends.synack(20, 11).at(at + 200));
  rig.see(ends.ack(11, 21).at(at + 300));
}

void refuse(CountingRig& rig, const Ends& ends, std::int64_t at) {
  rig.see(ends.syn(10).at(at));
  rig.see(ends.down(flag::rst | flag::ack, 0, 11).at(at + 200));
}

ExplainInput gather(std::initializer_list<CountingRig*> rigs,
                    ExplainGathering::Standing standing = {.local_is_own = true}) {
  std::vector<std::unique_ptr<TopExchange>> exchanges;
  std::vector<const TopReport*> reports;
  for (std::size_t i = 0; i < rigs.size(); ++i) {
    exchanges.push_back(std::make_unique<TopExchange>());
    reports.push_back(&exchanges.back()->report());
  }
  ExplainGathering gathering(standing);
  int rounds = 0;
  do {
    ++rounds;
    for (std::size_t i = 0; i < rigs.size(); ++i) {
      CountingRig& rig = **(rigs.begin() + i);
      exchanges[i]->ask(gathering.query());
      while (exchanges[i]->work(rig.counter.top(), rig.timeline, flowtable::PacketTime())) {
      }
    }
  } while (gathering.on_reports(reports));
  EXPECT_EQ(rounds, 4);
  return std::move(gathering).take(std::chrono::system_clock::time_point());
}

std::vector<std::string> names(const ExplainInput& input) {
  std::vector<std::string> all;
  for (const ServiceFacts& facts : input.services) all.push_back(name_of(facts.row));
  return all;
}

TEST(ExplainGathering, NothingIsKnownOfNothing) {
  CountingRig rig;
  const ExplainInput input = gather({&rig});
  EXPECT_TRUE(input.services.empty());
  EXPECT_EQ(input.unlisted_failures, 0U);
  EXPECT_EQ(input.recent_at_least, std::chrono::minutes(5));
}

TEST(ExplainGathering, TellsCausesOfLateAndWhoFails) {
  CountingRig rig;
  for (std::uint16_t i = 0; i < 5; ++i) {
    refuse(rig, {v4(1, static_cast<std::uint16_t>(2000 + i)), v4(2, 81)}, i * kSecond);
    succeed(rig, {v4(5, static_cast<std::uint16_t>(3000 + i)), v4(2, 80)}, i * kSecond);
  }
  const ExplainInput input = gather({&rig});
  ASSERT_THAT(input.services, SizeIs(2));
  const ServiceFacts& facts = input.services[0];
  EXPECT_EQ(facts.row.port, 81);
  EXPECT_EQ(facts.network, "192.0.2.0/24");
  EXPECT_TRUE(facts.own);
  EXPECT_EQ(facts.attempts, 5U);
  EXPECT_EQ(facts.causes.refused, 5U);
  EXPECT_EQ(facts.failed_in_a_row, 5U);
  EXPECT_EQ(facts.spread, Spread::few);
  ASSERT_THAT(facts.initiators, SizeIs(1));
  EXPECT_EQ(facts.initiators[0].address, "192.0.2.1");
  EXPECT_EQ(facts.initiators[0].failures, 5U);
  EXPECT_EQ(facts.initiators[0].attempts, 5U);
  EXPECT_EQ(input.services[1].spread, Spread::unknown);
  EXPECT_EQ(input.services_known, 2U);
}

TEST(ExplainGathering, SumsReadersUp) {
  CountingRig one;
  CountingRig two;
  refuse(one, {v4(1, 2000), v4(2, 81)}, 1 * kSecond);
  refuse(two, {v4(1, 2001), v4(2, 81)}, 2 * kSecond);
  refuse(two, {v4(1, 2002), v4(2, 81)}, 3 * kSecond);
  const ExplainInput both = gather({&one, &two});
  ASSERT_THAT(both.services, SizeIs(1));
  EXPECT_EQ(both.services[0].causes.refused, 3U);
  EXPECT_EQ(both.services[0].failed_in_a_row, 3U);
  EXPECT_EQ(both.services[0].initiators.at(0).failures, 3U);
  succeed(one, {v4(1, 2003), v4(2, 81)}, 9 * kSecond);
  EXPECT_EQ(gather({&one, &two}).services.at(0).failed_in_a_row, 0U)
      << "one reader saw it succeed after what the other one saw";
}

TEST(ExplainGathering, ManyInitiatorsAreMany) {
  CountingRig rig;
  for (unsigned i = 0; i < 40; ++i) {
    refuse(rig, {v4(static_cast<std::uint8_t>(10 + i), 2000), v4(2, 81)}, i * kSecond);
  }
  const ExplainInput input = gather({&rig});
  ASSERT_THAT(input.services, SizeIs(1));
  EXPECT_EQ(input.services[0].spread, Spread::many);
  EXPECT_THAT(input.services[0].initiators, SizeIs(3));
}

// Pairs know no ports: who fails at one says nothing of another.
TEST(ExplainGathering, WhoFailsAtOnePortIsNotToldOfAnother) {
  CountingRig rig;
  for (unsigned i = 0; i < 40; ++i) {
    refuse(rig, {v4(static_cast<std::uint8_t>(10 + i), 2000), v4(2, 81)}, i * kSecond);
    refuse(rig, {v4(9, static_cast<std::uint16_t>(3000 + i)), v4(5, 81)}, i * kSecond);
  }
  refuse(rig, {v4(8, 2000), v4(2, 443)}, 50 * kSecond);
  refuse(rig, {v4(8, 2000), v4(5, 443)}, 50 * kSecond);
  for (const ServiceFacts& facts : gather({&rig}).services) {
    const bool many = facts.row.address == "192.0.2.2";
    EXPECT_EQ(facts.spread, facts.row.port == 443 ? Spread::unknown
                            : many                ? Spread::many
                                                  : Spread::few)
        << name_of(facts.row);
  }
}

TEST(ExplainGathering, TellsTheLastRefusal) {
  CountingRig rig;
  refuse(rig, {v4(1, 2000), v4(2, 81)}, 1 * kSecond);
  refuse(rig, {v4(1, 2001), v4(2, 81)}, 3 * kSecond);
  succeed(rig, {v4(1, 2002), v4(2, 81)}, 5 * kSecond);
  const ServiceFacts facts = gather({&rig}).services.at(0);
  ASSERT_TRUE(facts.last_refusal && facts.row.last_success);
  EXPECT_EQ(*facts.row.last_success - *facts.last_refusal, std::chrono::microseconds(2'000'100));
  EXPECT_TRUE(accepted_since(facts));
  refuse(rig, {v4(1, 2003), v4(2, 81)}, 6 * kSecond);
  EXPECT_FALSE(accepted_since(gather({&rig}).services.at(0)));
}

TEST(ExplainGathering, ASecondSynThatSucceedsIsNoted) {
  CountingRig rig;
  const Ends ends{v4(1, 2000), v4(2, 80)};
  rig.see(ends.syn(10).at(0));
  rig.see(ends.syn(10).at(kSecond));
  rig.see(ends.synack(20, 11).at(kSecond + 200));
  rig.see(ends.ack(11, 21).at(kSecond + 300));
  EXPECT_EQ(gather({&rig}).services.at(0).repeated_successes, 1U);
}

// More services fail than are looked at, and still the siblings of the worst are among them.
TEST(ExplainGathering, TakesHealthySiblingsOfTheWorstAlong) {
  CountingRig rig;
  for (unsigned i = 0; i < 300; ++i) {
    refuse(
        rig,
        {v4(2, static_cast<std::uint16_t>(2000 + i)), v4(9, static_cast<std::uint16_t>(100 + i))},
        i * 1000);
  }
  for (unsigned i = 0; i < 9; ++i) {
    refuse(rig, {v4(2, static_cast<std::uint16_t>(5000 + i)), v4(77, 443)}, kSecond + i);
  }
  succeed(rig, {v4(2, 6000), v4(77, 22)}, 2 * kSecond);
  succeed(rig, {v4(2, 6001), v4(78, 22)}, 2 * kSecond);
  const ExplainInput input = gather({&rig});
  EXPECT_THAT(input.services, SizeIs(ipc::TopRequest::kMost));
  EXPECT_EQ(names(input).front(), "192.0.2.77:443");
  EXPECT_THAT(names(input),
              IsSupersetOf(std::vector<std::string>{"192.0.2.77:22", "192.0.2.78:22"}));
  EXPECT_EQ(input.unlisted_failures, 1U);
  EXPECT_EQ(input.services_known, 303U);
}

TEST(ExplainGathering, SaysWhoseAddressItIs) {
  CountingRig rig;
  refuse(rig, {v4(1, 2000), v4(2, 81)}, 0);
  refuse(rig, {v4(2, 2000), v4(9, 81)}, 0);
  refuse(rig, {v4(7, 2000), v4(8, 81)}, 0);
  for (const bool local_is_own : {true, false}) {
    for (const ServiceFacts& facts : gather({&rig}, {.local_is_own = local_is_own}).services) {
      const bool rx = facts.row.responder_local;
      const bool tx = facts.row.initiator_local;
      EXPECT_EQ(facts.own, rx || (tx && local_is_own)) << facts.row.address;
    }
  }
}

TEST(ExplainGathering, OfAFileAllCounts) {
  CountingRig rig;
  refuse(rig, {v4(1, 2000), v4(2, 81)}, 0);
  succeed(rig, {v4(1, 2001), v4(2, 80)}, 3600 * kSecond);
  refuse(rig, {v4(1, 2002), v4(2, 80)}, 3601 * kSecond);
  EXPECT_EQ(gather({&rig}).services.at(1).causes.refused, 0U);
  const ExplainInput file = gather({&rig}, {.whole_file = true});
  EXPECT_TRUE(file.whole_file);
  EXPECT_EQ(file.recent_at_most.count(), 0);
  for (const ServiceFacts& facts : file.services) {
    EXPECT_EQ(facts.causes.refused, 1U) << facts.row.port;
    EXPECT_EQ(facts.attempts, facts.row.attempts);
    EXPECT_FALSE(facts.own);
  }
}

// Not of its last minutes alone: otherwise a share of one would be compared with all of the other.
TEST(ExplainGathering, OfAFileAllIsNoted) {
  CountingRig rig({}, true, test::small_tracker(), TopTables::Recent::everything);
  for (std::uint16_t minute = 0; minute < 60; ++minute) {
    const Ends ends{v4(1, static_cast<std::uint16_t>(2000 + minute)), v4(2, 80)};
    const std::int64_t at = minute * 60 * kSecond;
    rig.see(ends.syn(10).at(at));
    rig.see(ends.syn(10).at(at + kSecond));
    rig.see(ends.synack(20, 11).at(at + kSecond + 200));
    rig.see(ends.ack(11, 21).at(at + kSecond + 300));
    refuse(rig, {v4(1, static_cast<std::uint16_t>(4000 + minute)), v4(2, 81)}, at + 2 * kSecond);
  }
  const ExplainInput file = gather({&rig}, {.whole_file = true});
  for (const ServiceFacts& facts : file.services) {
    if (facts.row.port == 80) {
      EXPECT_EQ(facts.repeated_successes, 60U);
    } else {
      EXPECT_EQ(facts.initiators.at(0).failures, 60U);
      EXPECT_EQ(facts.spread, Spread::few);
    }
  }
}

}  // namespace
}  // namespace tcpeek::engine
