// The lines of a terminal: what their result says, and how they fit its width.
#include "engine/output/terminal_line.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/engine/output/local_zone.h"

namespace tcpeek::engine {
namespace {

using flowtable::Cause;
using flowtable::Result;
using ipc::OutcomeEvent;
using namespace std::chrono_literals;

OutcomeEvent event_of(Cause cause) {
  OutcomeEvent e;
  e.first_syn = std::chrono::sys_days(2012y / 7 / 6) + 7h + 39min + 2s + 552ms;
  e.duration = 2ms;
  e.initiator = {"192.168.2.227", 48967};
  e.responder = {"192.168.2.202", 80};
  e.result = flowtable::word(flowtable::result_of(cause));
  e.cause = flowtable::word(cause);
  return e;
}

std::string words(Cause cause, std::uint32_t dup_syn = 0, std::uint32_t dup_synack = 0) {
  OutcomeEvent e = event_of(cause);
  e.dup_syn = dup_syn;
  e.dup_synack = dup_synack;
  return result_in_words(e, flowtable::result_of(cause));
}

TEST(TerminalLineTest, TheResultSaysWhy) {
  EXPECT_EQ(words(Cause::none), "success");
  EXPECT_EQ(words(Cause::none, 1), "success (2nd SYN)");
  EXPECT_EQ(words(Cause::none, 2, 1), "success (3rd SYN)");
  EXPECT_EQ(words(Cause::none, 7), "success (later SYN)");
  EXPECT_EQ(words(Cause::none, 0, 1), "success (2nd S/A)");
  EXPECT_EQ(words(Cause::refused), "reject: refused");
  EXPECT_EQ(words(Cause::no_answer, 3), "timeout: no_answer");
  EXPECT_EQ(words(Cause::pending), "pending");
  OutcomeEvent e = event_of(Cause::unreachable);
  EXPECT_EQ(result_in_words(e, Result::unreach), "unreach") << "what it said is lost";
  e.icmp = {.type = 3, .code = 13, .reason = "prohibited", .router = {}};
  EXPECT_EQ(result_in_words(e, Result::unreach), "unreach: prohibited");
  e = event_of(Cause::no_answer);
  e.uncertain = true;
  EXPECT_EQ(result_in_words(e, Result::timeout), "timeout: no_answer?");
}

TEST(TerminalLineTest, NoneIsWiderThanItsColumn) {
  for (std::size_t i = 0; i < flowtable::kCauses; ++i) {
    OutcomeEvent e = event_of(static_cast<Cause>(i));
    e.uncertain = true;
    e.dup_syn = 9;
    EXPECT_LE(result_in_words(e, flowtable::result_of(static_cast<Cause>(i))).size(), 19U);
  }
}

std::string line(const OutcomeEvent& e, std::size_t width, Result result = Result::success) {
  const test::LocalZone zone("JST-9");
  return terminal_line(e, result, width, false);
}

TEST(TerminalLineTest, FitsTheTerminal) {
  const OutcomeEvent e = event_of(Cause::none);
  const std::string whole =
      "   0.002 | 12-07-06 16:39:02.552 |   192.168.2.227:48967   192.168.2.202:80    |"
      "      success      |       0        0 ";
  EXPECT_EQ(line(e, 0), whole) << "a width that is not known";
  EXPECT_EQ(line(e, 118), whole);
  EXPECT_EQ(line(e, 300), whole);
  const std::string no_duplicates = whole.substr(0, 99);
  EXPECT_EQ(line(e, 117), no_duplicates);
  EXPECT_EQ(line(e, 99), no_duplicates);
  const std::string no_stamp = whole.substr(0, 10) + whole.substr(34, 65);
  EXPECT_EQ(line(e, 98), no_stamp);
  EXPECT_EQ(line(e, 75), no_stamp);
  const std::string no_time = whole.substr(34, 65);
  EXPECT_EQ(line(e, 74), no_time);
  EXPECT_EQ(line(e, 65), no_time);
  EXPECT_EQ(line(e, 20), no_time) << "addresses and result stay";
}

TEST(TerminalLineTest, HeaderAndLinesHaveTheSameColumns) {
  const OutcomeEvent e = event_of(Cause::refused);
  for (std::size_t width = 1; width < 130; ++width) {
    const std::string header = terminal_header(width);
    const std::string names = header.substr(0, header.find('\n'));
    const std::string shown = line(e, width, Result::reject);
    for (std::size_t i = 0; i < names.size(); ++i) {
      EXPECT_EQ(names[i] == '|', shown.at(i) == '|') << width << ": " << names << "\n" << shown;
    }
    if (width < 65) continue;
    EXPECT_LE(std::max(shown.size(), header.size() - names.size() - 1), width);
  }
}

TEST(TerminalLineTest, IPv6AddressesPushTheDuplicatesOut) {
  OutcomeEvent e = event_of(Cause::none);
  e.initiator.address = "2001:db8::1:2:3:4";
  EXPECT_EQ(line(e, 118).substr(line(e, 118).size() - 19), "      success      ");
  EXPECT_NE(line(e, 130), line(e, 118));
}

TEST(TerminalLineTest, ColoursTellThreeKindsApart) {
  const auto coloured = [](std::uint32_t dup_syn, Cause cause) {
    OutcomeEvent e = event_of(cause);
    e.dup_syn = dup_syn;
    const test::LocalZone zone("JST-9");
    const std::string text = terminal_line(e, flowtable::result_of(cause), 118, true);
    const auto at = text.find("\x1b[");
    EXPECT_EQ(text[at - 1], '|');
    EXPECT_EQ(text.substr(text.find("\x1b[0m") + 4, 1), "|");
    return text.substr(at, 5);
  };
  EXPECT_EQ(coloured(0, Cause::none), "\x1b[32m");
  EXPECT_EQ(coloured(1, Cause::none), "\x1b[33m") << "no plain success";
  EXPECT_EQ(coloured(1, Cause::refused), "\x1b[31m");
  EXPECT_EQ(coloured(0, Cause::pending), "\x1b[33m");
}

}  // namespace
}  // namespace tcpeek::engine
