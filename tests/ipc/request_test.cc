// Framing, cut at every place where a cut is possible.
#include "ipc/request.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tcpeek::ipc {
namespace {

using State = RequestFramer::State;

struct Case {
  std::string bytes;
  State after_bytes;
  State after_end;
  std::string word;
};

std::vector<Case> cases() {
  return {
      {"GET\r\n", State::complete, State::complete, "GET"},
      {"GET\n", State::complete, State::complete, "GET"},
      {"GET", State::need_more, State::complete, "GET"},
      {"GET\r", State::need_more, State::complete, "GET"},
      {"get\n", State::complete, State::complete, "get"},
      {" \t STATS \v\f\r\n", State::complete, State::complete, "STATS"},
      {"WATCH json\r\n", State::complete, State::complete, "WATCH json"},
      {"G\rET\n", State::complete, State::complete, "G\rET"},
      {"\r\n", State::complete, State::complete, ""},
      {"\n", State::complete, State::complete, ""},
      {"  \t \n", State::complete, State::complete, ""},
      {" ", State::need_more, State::complete, ""},
      {"", State::need_more, State::unfinished, ""},
      {"GET\nREFRESH\n", State::complete, State::complete, "GET"},
      {std::string("G\0T\n", 4), State::complete, State::complete, std::string("G\0T", 3)},
      {"\xff\xfe\n", State::complete, State::complete, "\xff\xfe"},
  };
}

TEST(RequestFramer, SplitAtEveryPosition) {
  for (const Case& c : cases()) {
    for (std::size_t cut = 0; cut <= c.bytes.size(); ++cut) {
      RequestFramer framer;
      framer.feed(std::string_view(c.bytes).substr(0, cut));
      EXPECT_EQ(framer.feed(std::string_view(c.bytes).substr(cut)), c.after_bytes) << c.bytes;
      EXPECT_EQ(framer.end_of_input(), c.after_end) << c.bytes;
      EXPECT_EQ(framer.word(), c.word) << c.bytes << " cut at " << cut;
    }
  }
}

TEST(RequestFramer, OneByteAtATime) {
  for (const Case& c : cases()) {
    RequestFramer framer;
    for (const char byte : c.bytes) framer.feed({&byte, 1});
    EXPECT_EQ(framer.state(), c.after_bytes) << c.bytes;
    framer.end_of_input();
    EXPECT_EQ(framer.state(), c.after_end) << c.bytes;
    EXPECT_EQ(framer.word(), c.word) << c.bytes;
  }
}

TEST(RequestFramer, TheWordIsThereOnlyWhenComplete) {
  RequestFramer framer;
  framer.feed("GET");
  EXPECT_EQ(framer.word(), "");
  framer.feed("\n");
  EXPECT_EQ(framer.word(), "GET");
}

TEST(RequestFramer, TheLongestRequestAndOneByteMore) {
  const std::string most(kMaxRequestBytes, 'x');
  for (std::size_t cut = 0; cut <= kMaxRequestBytes; cut += 1) {
    const std::string_view head = std::string_view(most).substr(0, cut);
    const std::string_view tail = std::string_view(most).substr(cut);

    RequestFramer ended;
    ended.feed(head);
    ASSERT_EQ(ended.feed(tail), State::need_more);
    ASSERT_EQ(ended.end_of_input(), State::complete);
    ASSERT_EQ(ended.word(), most);

    RequestFramer longer;
    longer.feed(head);
    ASSERT_EQ(longer.feed(std::string(tail) + "\n"), State::too_long);
    ASSERT_EQ(longer.word(), "");
  }
  const std::string with_newline = most.substr(1) + "\n";
  RequestFramer framer;
  EXPECT_EQ(framer.feed(with_newline + "more"), State::complete);
  EXPECT_EQ(framer.word(), most.substr(1));
}

TEST(RequestFramer, FiveThousandBytes) {
  RequestFramer whole;
  EXPECT_EQ(whole.feed(std::string(5000, 'x')), State::too_long);

  RequestFramer bytewise;
  std::size_t taken = 0;
  while (bytewise.feed("x") == State::need_more) ++taken;
  EXPECT_EQ(bytewise.state(), State::too_long);
  EXPECT_EQ(taken, kMaxRequestBytes);
}

TEST(RequestFramer, FinalStatesStay) {
  RequestFramer complete;
  complete.feed("GET\n");
  EXPECT_EQ(complete.feed(std::string(9000, 'x')), State::complete);
  EXPECT_EQ(complete.end_of_input(), State::complete);
  EXPECT_EQ(complete.word(), "GET");

  RequestFramer too_long(4);
  too_long.feed("12345");
  EXPECT_EQ(too_long.feed("\n"), State::too_long);
  EXPECT_EQ(too_long.end_of_input(), State::too_long);

  RequestFramer unfinished;
  unfinished.end_of_input();
  EXPECT_EQ(unfinished.feed("GET\n"), State::unfinished);
  EXPECT_EQ(unfinished.word(), "");
}

TEST(RequestFramer, TheBoundIsAParameter) {
  RequestFramer fits(4);
  EXPECT_EQ(fits.feed("GET\n"), State::complete);
  RequestFramer tight(3);
  EXPECT_EQ(tight.feed("GET"), State::need_more);
  EXPECT_EQ(tight.feed("\n"), State::too_long);
}

// --- With a body ---

constexpr std::size_t kMostBody = 12;

RequestFramer with_bodies() {
  return RequestFramer(kMaxRequestBytes, kMostBody);
}

TEST(RequestFramer, ABodySplitAtEveryPosition) {
  const std::string bytes("RELOAD 5\r\na\0\nbcGET\n", 20);
  for (std::size_t first = 0; first <= bytes.size(); ++first) {
    for (std::size_t second = first; second <= bytes.size(); ++second) {
      RequestFramer framer = with_bodies();
      framer.feed(std::string_view(bytes).substr(0, first));
      framer.feed(std::string_view(bytes).substr(first, second - first));
      ASSERT_EQ(framer.feed(std::string_view(bytes).substr(second)), State::complete);
      ASSERT_EQ(framer.request(), std::string("RELOAD 5\na\0\nbc", 14));
      ASSERT_EQ(framer.word(), "RELOAD 5");
      ASSERT_EQ(framer.end_of_input(), State::complete);
    }
  }
}

TEST(RequestFramer, ABodyThatEndsTooEarlyIsUnfinished) {
  for (const std::string bytes : {"RELOAD 5\n", "RELOAD 5\nabcd"}) {
    RequestFramer framer = with_bodies();
    EXPECT_EQ(framer.feed(bytes), State::need_more);
    EXPECT_EQ(framer.word(), "");
    EXPECT_EQ(framer.end_of_input(), State::unfinished);
    EXPECT_EQ(framer.feed("abcdef"), State::unfinished);
  }
}

TEST(RequestFramer, WhoMaySendNoneAsksWithTheLineAlone) {
  RequestFramer framer;
  EXPECT_EQ(framer.feed("RELOAD 5\nabcde"), State::complete);
  EXPECT_EQ(framer.request(), "RELOAD 5");
}

TEST(RequestFramer, AnotherNumberAnnouncesNothing) {
  for (const std::string line :
       {"RELOAD", "RELOAD 0", "RELOAD 13", "RELOAD -1", "RELOAD 5x", "RELOAD 5 5", "RELOADS 5",
        "RELOAD +5", "reload 5", "RELOAD 99999999999999999999", "RELOAD 0x5"}) {
    RequestFramer framer = with_bodies();
    EXPECT_EQ(framer.feed(line + "\nabcde"), State::complete) << line;
    EXPECT_EQ(framer.request(), line);
  }
  RequestFramer most = with_bodies();
  EXPECT_EQ(most.feed("RELOAD 12\n" + std::string(11, 'x')), State::need_more);
  EXPECT_EQ(most.feed("x"), State::complete);
  RequestFramer ended = with_bodies();
  ended.feed("RELOAD 5");
  EXPECT_EQ(ended.end_of_input(), State::complete) << "no body follows the end of input";
  EXPECT_EQ(ended.request(), "RELOAD 5");
}

TEST(ArgumentsOf, WhatFollowsTheWord) {
  EXPECT_EQ(arguments_of("TOP", "TOP"), "");
  EXPECT_EQ(arguments_of("TOP 5 by=pair", "TOP"), "5 by=pair");
  EXPECT_EQ(arguments_of("TOP \t\r\v\f 5", "TOP"), "5");
  EXPECT_EQ(arguments_of("TOP  ", "TOP"), "");
  EXPECT_FALSE(arguments_of("TOPS", "TOP"));
  EXPECT_FALSE(arguments_of("TOP5", "TOP"));
  EXPECT_FALSE(arguments_of("TO", "TOP"));
  EXPECT_FALSE(arguments_of("", "TOP"));
}

}  // namespace
}  // namespace tcpeek::ipc
