// Which lines of WATCH are understood, and as what; what is replaced in them.
#include "engine/forward/watch_line.h"

#include <gtest/gtest.h>

#include "tests/engine/forward/forward_support.h"

namespace tcpeek::forward {
namespace {

using namespace std::chrono_literals;

const engine::AddressPermutation kRedactor({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16});

TEST(WatchLineTest, Outcome) {
  const auto line = parse_watch_line(outcome_line(57, "success", "2001:db8::1"));
  ASSERT_TRUE(line);
  EXPECT_EQ(line->kind, LineKind::success);
  EXPECT_EQ(line->boot, kBoot);
  EXPECT_EQ(line->seq, 57U);
  EXPECT_EQ(line->word, "success");
  EXPECT_EQ(line->service_address, "2001:db8::1");
  EXPECT_EQ(line->service_port, 443);
  EXPECT_EQ(line->duration, 250us);
  EXPECT_TRUE(line->timed);
  EXPECT_TRUE(line->responder_local);
  EXPECT_FALSE(line->initiator_local);
  EXPECT_EQ(parse_watch_line(outcome_line(1, "timeout"))->kind, LineKind::failure);
}

TEST(WatchLineTest, WhatIsNoOutcome) {
  const auto unkept = parse_watch_line(R"({"gap":{"from":3,"to":9}})");
  ASSERT_TRUE(unkept);
  EXPECT_EQ(unkept->kind, LineKind::unkept);
  EXPECT_EQ(unkept->first, 3U);
  EXPECT_EQ(unkept->seq, 9U);
  const auto position = parse_watch_line(R"({"boot":"0123456789abcdef","at":12})");
  ASSERT_TRUE(position);
  EXPECT_EQ(position->kind, LineKind::position);
  EXPECT_EQ(position->seq, 12U);
  const auto gap = parse_watch_line(
      R"({"event":"gap","boot":"0123456789abcdef","seq":4,"time":"t","reason":"capture","count":null})");
  ASSERT_TRUE(gap);
  EXPECT_EQ(gap->kind, LineKind::gap);
  const auto error = parse_watch_line(R"({"error":"WATCH: no"})");
  ASSERT_TRUE(error);
  EXPECT_EQ(error->word, "WATCH: no");
}

TEST(WatchLineTest, MembersElsewhereAreOthers) {
  const auto unkept = parse_watch_line(R"({"gap":{"from":3,"to":9},"from":[4],"to":[5]})");
  ASSERT_TRUE(unkept);
  EXPECT_EQ(unkept->first, 3U);
  EXPECT_EQ(unkept->seq, 9U);
}

TEST(WatchLineTest, Malformed) {
  std::string nul = outcome_line(1);
  nul += '\0';
  for (const std::string& bad :
       {std::string(),
        std::string("[]"),
        std::string("{}"),
        std::string("null"),
        std::string("{"),
        nul,
        nul + "}",
        outcome_line(0),
        outcome_line(1, "maybe"),
        outcome_line(1, "pending"),
        outcome_line(1) + "x",
        outcome_line(1, "success", "x\xff"),
        outcome_line(1, "success", "a", "short"),
        outcome_line(1, "success", ""),
        std::string(R"({"gap":{"from":9,"to":3}})"),
        std::string(R"({"gap":{"from":0,"to":3}})"),
        std::string(R"({"boot":"x","at":1})"),
        std::string(1000, '['),
        std::string(R"({"at":-1})"),
        std::string(R"({"gap":[],"from":[1],"to":[2]})"),
        std::string(
            R"({"event":"change","boot":"0123456789abcdef","seq":4,"duration_seconds":-5})"),
        R"({"event":"outcome","seq":1,"x":")" + std::string(kMostLineBytes, 'x') + "\"}"}) {
    EXPECT_FALSE(parse_watch_line(bad)) << bad.substr(0, 80);
  }
}

TEST(WatchLineTest, AddressesAreReplacedAndNothingElse) {
  const std::string text = outcome_line(57, "success", "2001:db8::1");
  auto line = parse_watch_line(text);
  const auto replaced = redacted(text, *line, kRedactor);
  ASSERT_TRUE(replaced);
  EXPECT_EQ(replaced->find("198.51.100.7"), std::string::npos);
  EXPECT_EQ(replaced->find("2001:db8::1"), std::string::npos);
  const std::string client = *kRedactor.address("198.51.100.7");
  const std::string server = *kRedactor.address("2001:db8::1");
  EXPECT_EQ(line->service_address, server);
  std::string expected = text;
  for (const auto& [from, to] :
       {std::pair<std::string, std::string>{"198.51.100.7", client}, {"2001:db8::1", server}}) {
    for (std::size_t at = 0; (at = expected.find(from, at)) != std::string::npos; at += to.size()) {
      expected.replace(at, from.size(), to);
    }
  }
  EXPECT_EQ(*replaced, expected);
}

TEST(WatchLineTest, AddressesOfRoutersAndServices) {
  const std::string change =
      R"({"event":"change","boot":"0123456789abcdef","seq":4,"service":"rx [2001:db8::1]:443","from":"ok"})";
  auto line = parse_watch_line(change);
  ASSERT_TRUE(line);
  EXPECT_EQ(redacted(change, *line, kRedactor),
            R"({"event":"change","boot":"0123456789abcdef","seq":4,"service":"rx [)" +
                *kRedactor.address("2001:db8::1") + R"(]:443","from":"ok"})");
  std::string icmp = outcome_line(1, "unreach");
  icmp.pop_back();
  icmp += R"(,"icmp":{"type":3,"router":"203.0.113.9"}})";
  line = parse_watch_line(icmp);
  ASSERT_TRUE(line);
  EXPECT_EQ(redacted(icmp, *line, kRedactor)->find("203.0.113.9"), std::string::npos);
}

TEST(WatchLineTest, WhatMayHideAnAddressIsNotForwarded) {
  for (const char* const address :
       {R"(192.0.2\u002e1)", R"(\u003192.0.2.1)", "host.example.org", ""}) {
    const std::string text =
        R"({"event":"change","boot":"0123456789abcdef","seq":4,"client.address":")" +
        std::string(address) + R"("})";
    auto line = parse_watch_line(text);
    ASSERT_TRUE(line) << address;
    EXPECT_FALSE(redacted(text, *line, kRedactor)) << address;
  }
}

}  // namespace
}  // namespace tcpeek::forward
