// From lines to messages: subjects, ids, gaps, aggregates, and what is passed over.
#include "engine/forward/converter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "tests/engine/forward/forward_support.h"

namespace tcpeek::forward {
namespace {

using ::testing::ElementsAre;
using namespace std::chrono_literals;

const std::string kB{kBoot};

struct Fixture {
  explicit Fixture(std::chrono::seconds aggregate = 0s) {
    ConverterConfig config;
    config.host = "web1.example.org";
    config.aggregate = aggregate;
    converter.emplace(std::move(config), window, presence, counters);
    converter->move_to({kB, 0}, {});
  }
  bool take(const std::string& line) { return converter->take(line, {}); }
  std::vector<Message> sent() {
    std::vector<Message> messages;
    while (const auto sending = window.send_next()) messages.push_back(sending->message);
    return messages;
  }
  std::vector<std::string> ids() {
    std::vector<std::string> found;
    for (const Message& message : sent()) found.push_back(message.id.substr(34));
    return found;
  }
  void acknowledge_all() {
    for (std::uint64_t place = 0; place < 1000; ++place) window.acknowledge(place, place + 1);
  }

  Window window{{}};
  Presence presence;
  Counters counters;
  std::optional<Converter> converter;
};

TEST(ConverterTest, AnOutcomeAsItIsWithItsHost) {
  Fixture fixture;
  const std::string line = outcome_line(1, "timeout");
  EXPECT_TRUE(fixture.take(line));
  const auto sent = fixture.sent();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].subject, "tcpeek.events.web1_example_org.timeout");
  EXPECT_EQ(sent[0].id, "web1_example_org-0123456789abcdef-1");
  auto expected = nlohmann::json::parse(line);
  expected["host"] = "web1.example.org";
  EXPECT_EQ(nlohmann::json::parse(sent[0].payload), expected);
  EXPECT_EQ(sent[0].resume_after, (Position{kB, 1}));
}

TEST(ConverterTest, GapsAreToldAndHolesBecomeSome) {
  Fixture fixture;
  fixture.take(outcome_line(1));
  fixture.take(R"({"gap":{"from":2,"to":5}})");
  fixture.take(outcome_line(8));
  fixture.take(outcome_line(8));  // again
  fixture.take(outcome_line(3));
  EXPECT_FALSE(fixture.take("{"));
  const auto sent = fixture.sent();
  ASSERT_EQ(sent.size(), 4U);
  EXPECT_EQ(sent[1].subject, "tcpeek.events.web1_example_org.gap");
  EXPECT_EQ(sent[1].payload,
            R"({"gap":{"from":2,"to":5},"boot":"0123456789abcdef","host":"web1.example.org"})");
  EXPECT_EQ(sent[2].id, "web1_example_org-0123456789abcdef-6..7");
  EXPECT_EQ(fixture.counters.events_lost, 6U);
  EXPECT_EQ(fixture.counters.lines_malformed, 1U);
}

TEST(ConverterTest, WhatTheStreamHasIsPassedOver) {
  Fixture fixture;
  for (const std::uint64_t seq : {2U, 5U}) {
    fixture.presence.add({.boot = kB, .from = seq, .to = seq, .service = {}});
  }
  for (std::uint64_t seq = 1; seq <= 3; ++seq) fixture.take(outcome_line(seq));
  fixture.take(R"({"gap":{"from":4,"to":6}})");
  EXPECT_THAT(fixture.ids(), ElementsAre("1", "3", "4..4", "6..6"));
  fixture.acknowledge_all();
  EXPECT_EQ(fixture.window.progress().position, (Position{kB, 6}));
  EXPECT_TRUE(fixture.presence.empty());
}

TEST(ConverterTest, AnotherBoot) {
  Fixture fixture;
  fixture.take(outcome_line(1));
  fixture.take(outcome_line(1, "success", "192.0.2.1", "fedcba9876543210"));
  const auto sent = fixture.sent();
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[1].id, "web1_example_org-fedcba9876543210-1");
  fixture.acknowledge_all();
  EXPECT_EQ(fixture.window.progress().position, (Position{"fedcba9876543210", 1}));
}

TEST(ConverterTest, SuccessesAreCountedFailuresAreNot) {
  Fixture fixture(10s);
  fixture.take(outcome_line(1, "success", "192.0.2.2"));
  fixture.take(outcome_line(2));
  fixture.take(outcome_line(3, "reject"));
  fixture.take(outcome_line(4));
  auto sent = fixture.sent();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].id, "web1_example_org-0123456789abcdef-3");
  EXPECT_EQ(sent[0].resume_after, (Position{kB, 0}));
  fixture.converter->flush({});
  sent = fixture.sent();
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[0].subject, "tcpeek.events.web1_example_org.aggregate");
  EXPECT_EQ(sent[0].id, "web1_example_org-0123456789abcdef-1..4.2.rx.192.0.2.1:443");
  const auto json = nlohmann::json::parse(sent[0].payload);
  EXPECT_EQ(json["event"], "aggregate");
  EXPECT_EQ(json["host"], "web1.example.org");
  EXPECT_EQ(json["attempts"], 3);
  EXPECT_EQ(json["success"], 2);
  EXPECT_EQ(json["interval_s"], 10);
  EXPECT_NEAR(json["p50_seconds"].get<double>(), 250e-6, 250e-6 * 0.04);
  EXPECT_EQ(json["server.address"], "192.0.2.1");
  EXPECT_EQ(json["responder"]["port"], 443);
  EXPECT_EQ(json["direction"], "rx");
  fixture.acknowledge_all();
  EXPECT_EQ(fixture.window.progress().position, (Position{kB, 4}));
}

TEST(ConverterTest, ABatchThatWasBegunIsEndedWhereItEnded) {
  Fixture fixture(10s);
  fixture.presence.add(
      {.boot = kB, .from = 1, .to = 2, .parts = 2, .service = "rx.192.0.2.2:443", .range = true});
  fixture.take(outcome_line(1, "success", "192.0.2.2"));
  fixture.converter->flush({});
  EXPECT_THAT(fixture.ids(), ElementsAre()) << "not before its end";
  fixture.take(outcome_line(2));
  EXPECT_THAT(fixture.ids(), ElementsAre("1..2.2.rx.192.0.2.1:443"));
  fixture.take(outcome_line(3));
  fixture.converter->flush({});
  EXPECT_THAT(fixture.ids(), ElementsAre("3..3.1.rx.192.0.2.1:443"));
}

// So that who adds up can leave out what was seen from the other side.
TEST(ConverterTest, AServiceSeenFromBothSidesIsCountedBySide) {
  Fixture fixture(10s);
  for (const auto& [seq, filters] : {std::pair(1, "RX"), std::pair(2, "TX"), std::pair(3, "TX"),
                                     std::pair(4, R"(RX","TX)"), std::pair(5, "web")}) {
    std::string line = outcome_line(static_cast<std::uint64_t>(seq));
    line.replace(line.find(R"(["RX"])") + 2, 2, filters);
    fixture.take(line);
  }
  fixture.converter->flush({});
  std::map<std::string, int> successes;
  for (const Message& message : fixture.sent()) {
    const auto json = nlohmann::json::parse(message.payload);
    const std::string direction = json["direction"];
    successes[direction] += json["success"].get<int>();
    EXPECT_TRUE(message.id.ends_with("-1..5.4." + direction + ".192.0.2.1:443")) << message.id;
  }
  const std::map<std::string, int> expected{{"rx", 1}, {"tx", 2}, {"both", 1}, {"neither", 1}};
  EXPECT_EQ(successes, expected);
}

}  // namespace
}  // namespace tcpeek::forward
