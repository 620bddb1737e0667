// The summary, line by line: scripts parse it.
#include "engine/output/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/engine/base/text_file.h"
#include "tests/engine/output/local_zone.h"

namespace tcpeek::engine {
namespace {

using ipc::Snapshot;
using ipc::Tally;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

ipc::FilterStats filter(const char* name) {
  return {.name = name, .expression = "", .counts = {}};
}

// 3 successes, a refusal; 40 packets.
Snapshot snapshot() {
  Snapshot s;
  s.started = std::chrono::sys_days(2012y / 7 / 2) + 7h + 48min + 33s + 900ms;
  s.taken = s.started + 86s;
  s.uptime = 86'106ms;
  s.interfaces = {{.name = "eth0", .link_type = "EN10MB", .state = ipc::InterfaceState::up}};
  s.filters = {filter("RX"), filter("TX")};
  ipc::Counts& rx = s.filters[0].counts;
  rx[Tally::attempts] = 4;
  rx[Tally::success] = 3;
  rx[Tally::refused] = 1;
  s.packets.seen = 40;
  s.packets.delivered = 40;
  s.packets.used = 40;
  s.packets.ignored = {{"no_attempt", 0}, {"blind_rst", 0}};
  return s;
}

std::string text(const Snapshot& s, const std::vector<ipc::TopServiceRow>& services = {}) {
  const engine::test::LocalZone zone("JST-9");
  return summary(s, services);
}

// The lines of one filter.
std::vector<std::string> block(const Snapshot& s, const std::string& name) {
  const std::string all = text(s);
  const auto begin = all.find("\n " + name + "\n");
  if (begin == std::string::npos) return {};
  const auto end = all.find("\n---", begin);
  return engine::test::lines_of(all.substr(begin + 1, end - begin - 1));
}

const std::vector<std::string> kEmptyRx{" RX",
                                        "   Success: 0 session",
                                        "     SYN Segment Duplicate :      0",
                                        "     S/A Segment Duplicate :      0",
                                        "   Failure: 0 session",
                                        "     Connection Timed Out  :      0",
                                        "     Connection Rejected   :      0",
                                        "     ICMP Unreachable      :      0"};

TEST(SummaryTest, Whole) {
  EXPECT_EQ(text(snapshot()),
            "========== TCPEEK SUMMARY ==========\n"
            "     from : 2012-07-02 16:48:33\n"
            "       to : 2012-07-02 16:49:59\n"
            "     time :        86.106 (sec)\n"
            "------------------------------------\n"
            " RX\n"
            "   Success: 3 session\n"
            "     SYN Segment Duplicate :      0\n"
            "     S/A Segment Duplicate :      0\n"
            "   Failure: 1 session\n"
            "     Connection Timed Out  :      0\n"
            "     Connection Rejected   :      1\n"
            "     ICMP Unreachable      :      0\n"
            "------------------------------------\n"
            " TX\n"
            "   Success: 0 session\n"
            "     SYN Segment Duplicate :      0\n"
            "     S/A Segment Duplicate :      0\n"
            "   Failure: 0 session\n"
            "     Connection Timed Out  :      0\n"
            "     Connection Rejected   :      0\n"
            "     ICMP Unreachable      :      0\n"
            "------------------------------------\n"
            " pcap stats\n"
            "   recv   : 40\n"
            "   drop   : 0\n"
            "   ifdrop : 0\n"
            "   used   : 40\n"
            "====================================");
}

TEST(SummaryTest, CountsStandWhereTheOriginalHasThem) {
  Snapshot s = snapshot();
  ipc::Counts& c = s.filters[0].counts;
  c[Tally::success_dup_syn] = 21;
  c[Tally::success_dup_synack] = 22;
  c[Tally::success_dup_syn_segments] = 9999;
  c[Tally::timed_out_no_answer] = 30;
  c[Tally::timed_out_no_ack] = 5;
  c[Tally::refused] = 100;
  c[Tally::aborted] = 11;
  c[Tally::unreachable] = 1'234'567;
  const auto lines = block(s, "RX");
  ASSERT_GE(lines.size(), kEmptyRx.size());
  EXPECT_EQ(lines[2], "     SYN Segment Duplicate :     21");
  EXPECT_EQ(lines[3], "     S/A Segment Duplicate :     22");
  const std::string all = text(s);
  EXPECT_THAT(all, HasSubstr("\n   Failure: 1234713 session\n"));
  EXPECT_THAT(all, HasSubstr("\n     Connection Timed Out  :     35\n"));
  EXPECT_THAT(all, HasSubstr("\n     Connection Rejected   :    111\n"));
  EXPECT_THAT(all, HasSubstr("\n     ICMP Unreachable      : 1234567\n"));
  EXPECT_THAT(all, Not(HasSubstr("9999")));
}

TEST(SummaryTest, TimesBefore1970AreRoundedDown) {
  Snapshot s = snapshot();
  s.started = std::chrono::system_clock::time_point(-391ms - 9h);
  EXPECT_THAT(text(s), HasSubstr("     from : 1969-12-31 23:59:59\n"));
}

// Each count of ours brings a line of its own and changes none of the original's.
TEST(SummaryTest, OursComeAfterTheOriginalsLinesOfTheBlock) {
  for (const Tally tally :
       {Tally::half_seen, Tally::late_proof, Tally::late_synack, Tally::uncertain,
        Tally::failure_dup_syn, Tally::failure_dup_synack, Tally::pending, Tally::evicted}) {
    SCOPED_TRACE(static_cast<int>(tally));
    Snapshot s = snapshot();
    s.filters[0].counts = {};
    s.filters[0].counts[tally] = 7;
    const auto lines = block(s, "RX");
    ASSERT_EQ(lines.size(), kEmptyRx.size() + 1);
    EXPECT_EQ(std::vector(lines.begin(), lines.end() - 1), kEmptyRx);
    EXPECT_THAT(lines.back(), HasSubstr("7"));
  }
}

// A reader that looks for a line by its words finds the original's first.
TEST(SummaryTest, OursAreNotTakenForTheOriginals) {
  Snapshot s = snapshot();
  for (std::uint64_t& value : s.filters[0].counts.values) value = 5;
  const auto lines = block(s, "RX");
  for (const char* words :
       {"Success:", "SYN Segment Duplicate", "S/A Segment Duplicate",
        "Failure:", "Connection Timed Out", "Connection Rejected", "ICMP Unreachable"}) {
    int found = 0;
    for (const std::string& line : lines) found += line.find(words) != std::string::npos;
    EXPECT_EQ(found, 1) << words;
  }
}

TEST(SummaryTest, WhatIsZeroIsNotShown) {
  EXPECT_EQ(block(snapshot(), "TX").size(), kEmptyRx.size());
  const std::string all = text(snapshot());
  for (const char* ours :
       {"Never Captured", "Late", "After Success", "No Answer", "No ACK", "Uncertain", "Initiator",
        "Pending", "Evicted", "ignored", "not local", "excluded"}) {
    EXPECT_THAT(all, Not(HasSubstr(ours)));
  }
}

TEST(SummaryTest, EveryFilterInItsOrder) {
  Snapshot s = snapshot();
  for (int i = 0; i < 1000; ++i) s.filters.push_back(filter(("f" + std::to_string(i)).c_str()));
  s.filters[7].counts[Tally::success] = 77;
  std::vector<std::string> names;
  std::string before;
  for (const std::string& line : engine::test::lines_of(text(s))) {
    if (before == "------------------------------------") names.push_back(line);
    before = line;
  }
  ASSERT_EQ(names.size(), 1003U);
  EXPECT_EQ(names[0], " RX");
  EXPECT_EQ(names[1], " TX");
  EXPECT_EQ(names[2], " f0");
  EXPECT_EQ(names[1001], " f999");
  EXPECT_EQ(names[1002], " pcap stats");
  EXPECT_EQ(block(s, "f5")[1], "   Success: 77 session");
}

TEST(SummaryTest, NamesAreShownWithoutDrivingTheTerminal) {
  Snapshot s = snapshot();
  s.filters.push_back(filter("we\x1b[2J\nb"));
  EXPECT_THAT(text(s), HasSubstr("\n we\\x1b[2J\\x0ab\n   Success: "));
}

TEST(SummaryTest, SeveralInterfacesAreOneSum) {
  Snapshot s = snapshot();
  s.interfaces = {{.name = "a", .link_type = "", .if_dropped = 3},
                  {.name = "b", .link_type = "", .if_dropped = 4}};
  s.packets.seen = 123'456'789'012;
  s.packets.dropped = 9;
  EXPECT_THAT(text(s), HasSubstr("\n pcap stats\n   recv   : 123456789012\n   drop   : 9\n"
                                 "   ifdrop : 7\n"));
}

TEST(SummaryTest, WhatWasIgnoredAndWhy) {
  Snapshot s = snapshot();
  s.packets.ignored = {{"no_attempt", 12}, {"blind_rst", 0}, {"mailbox_full", 3}};
  s.attempts_not_local = 5;
  s.attempts_excluded = 6;
  const std::string all = text(s);
  EXPECT_THAT(all, HasSubstr("\n   ifdrop : 0\n   used   : 40\n   ignored: 12 no_attempt\n"
                             "   ignored: 3 mailbox_full\n"));
  EXPECT_THAT(all, Not(HasSubstr("blind_rst")));
  EXPECT_THAT(all, HasSubstr("not local: 5"));
  EXPECT_THAT(all, HasSubstr("excluded: 6"));
  EXPECT_THAT(all.substr(all.rfind('\n')), HasSubstr("\n===================================="));
}

TEST(SummaryTest, ServicesThatFail) {
  EXPECT_THAT(text(snapshot()), Not(HasSubstr("services")));
  ipc::TopServiceRow web;
  web.address = "192.0.2.1";
  web.port = 443;
  web.responder_local = true;
  web.attempts = 40;
  web.failures = {.total = 15, .causes = {.refused = 10, .probe = 3, .no_answer = 2}};
  ipc::TopServiceRow scanned = web;
  scanned.port = 22;
  scanned.failures = {.total = 9, .causes = {.half_open = 9}};
  ipc::TopServiceRow far = web;
  far.address = "2001:db8::1";
  far.responder_local = false;
  far.initiator_local = true;
  far.attempts = 1;
  far.failures = {.total = 1, .causes = {.unreachable = 1}};
  const std::string all = text(snapshot(), {web, scanned, far});
  EXPECT_THAT(all, HasSubstr("\n   used   : 40\n------------------------------------\n"
                             " services that fail\n"
                             "   rx 192.0.2.1:443: 12 of 40 (10 refused, 2 no answer)\n"
                             "   tx [2001:db8::1]:443: 1 of 1 (1 unreachable)\n"
                             "===================================="));
  EXPECT_THAT(text(snapshot(), {scanned}), Not(HasSubstr("services")))
      << "what an initiator did by itself";
}

TEST(SummaryTest, LongTimes) {
  Snapshot s = snapshot();
  s.uptime = 400 * 24h + 1ms;
  EXPECT_THAT(text(s), HasSubstr("\n     time :  34560000.001 (sec)\n"));
  s.uptime = 0ms;
  EXPECT_THAT(text(s), HasSubstr("\n     time :         0.000 (sec)\n"));
}

}  // namespace
}  // namespace tcpeek::engine
