// What may follow the word WATCH, and what is said of what may not.
#include "engine/serve/watch_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tcpeek::engine {
namespace {

using ipc::EventKind;
using ipc::EventKinds;
using ipc::WatchRequest;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::vector<std::string> names() {
  return {"RX", "TX", "web", "db"};
}

WatchRequest request(std::string_view line) {
  const auto parsed = parse_watch_request(line, names);
  if (!parsed || !std::holds_alternative<WatchRequest>(*parsed)) {
    ADD_FAILURE() << line;
    return {};
  }
  return std::get<WatchRequest>(*parsed);
}

std::string mistake(std::string_view line, const FilterNames& filters = names) {
  const auto parsed = parse_watch_request(line, filters);
  if (!parsed || !std::holds_alternative<WatchMistake>(*parsed)) {
    ADD_FAILURE() << line;
    return {};
  }
  return std::get<WatchMistake>(*parsed).text;
}

TEST(WatchRequest, OtherWords) {
  for (const char* line : {"", "WATCHX", "watch", "WATC", "GET WATCH", "WATCH=json"}) {
    EXPECT_FALSE(parse_watch_request(line, names)) << line;
  }
}

TEST(WatchRequest, Arguments) {
  EXPECT_EQ(request("WATCH"), WatchRequest{});
  EXPECT_EQ(request("WATCH json"), WatchRequest{});
  EXPECT_TRUE(request("WATCH from=5").wants_all());
  EXPECT_EQ(request("WATCH from=0").from, 0U);
  EXPECT_EQ(request("WATCH from=18446744073709551615").from, ~std::uint64_t{0});
  EXPECT_EQ(request("WATCH filter=web").filter, "web");
  const WatchRequest all = request("WATCH \t from=7  result=reset,timeout\tfilter=db json");
  EXPECT_EQ(all.from, 7U);
  EXPECT_EQ(all.filter, "db");
  EXPECT_EQ(all.kinds, EventKinds(EventKind::reset, EventKind::no_answer, EventKind::no_ack,
                                  EventKind::superseded));
  EXPECT_FALSE(all.wants_all());
}

TEST(WatchRequest, NamesInQuotes) {
  const FilterNames odd = [] {
    return std::vector<std::string>{"front end", "web", "\"", "a\"b", "\"c\"", "tab\there"};
  };
  const auto filter = [&odd](std::string_view line) -> std::string {
    const auto parsed = parse_watch_request(line, odd);
    if (!parsed || !std::holds_alternative<WatchRequest>(*parsed)) return "refused";
    return std::get<WatchRequest>(*parsed).filter.value_or("none");
  };
  EXPECT_EQ(filter("WATCH filter=\"front end\" from=3"), "front end");
  EXPECT_EQ(filter("WATCH from=3\tfilter=\"front end\""), "front end");
  EXPECT_EQ(filter("WATCH filter=\"tab\there\""), "tab\there");
  EXPECT_EQ(filter("WATCH filter=\"web\""), "web");
  EXPECT_EQ(filter("WATCH filter=\""), "\"") << "a quote that nothing closes is a part of the name";
  EXPECT_EQ(filter("WATCH filter=a\"b json"), "a\"b");
  EXPECT_EQ(filter("WATCH filter=\"c\""), "\"c\"") << "the name as it stands comes first";
  EXPECT_EQ(filter("WATCH filter=\"front  end\""), "refused");
  EXPECT_EQ(filter("WATCH filter=\"front end"), "refused");
  EXPECT_EQ(filter("WATCH filter=front end"), "refused");
  EXPECT_EQ(filter("WATCH \"filter=front end\""), "refused");
}

TEST(WatchRequest, EveryResultAndCauseByItsName) {
  for (const ipc::NamedKinds& named : ipc::kNamedKinds) {
    EXPECT_EQ(request("WATCH result=" + std::string(named.name)).kinds, named.kinds);
  }
  EXPECT_EQ(request("WATCH result=success,success,change").kinds,
            EventKinds(EventKind::success, EventKind::change));
}

TEST(WatchRequest, WrongArgumentsAreNamedWithWhatIsAllowed) {
  EXPECT_EQ(mistake("WATCH all"),
            "WATCH: 'all' is not an argument; allowed are json, filter=NAME, result=LIST and "
            "from=SEQ, each once");
  EXPECT_THAT(mistake("WATCH jsn"), EndsWith("did you mean json?"));
  EXPECT_THAT(mistake("WATCH resutl=success"), EndsWith("did you mean result=?"));
  EXPECT_THAT(mistake("WATCH JSON"), EndsWith("did you mean json?"));
  EXPECT_THAT(mistake("WATCH jsonx from=1"), StartsWith("WATCH: 'jsonx' is not an argument"));
  EXPECT_THAT(mistake("WATCH json json"), StartsWith("WATCH: json is given twice"));
  EXPECT_THAT(mistake("WATCH from=1 from=1"), StartsWith("WATCH: from= is given twice"));
  EXPECT_THAT(mistake("WATCH ="), StartsWith("WATCH: '=' is not an argument"));
}

TEST(WatchRequest, WrongResults) {
  EXPECT_THAT(mistake("WATCH result=sucess"), EndsWith("did you mean success?"));
  EXPECT_THAT(mistake("WATCH result=sucess"), HasSubstr("allowed are success, failure, reject"));
  EXPECT_THAT(mistake("WATCH result=success,"), StartsWith("WATCH: '' is not a result"));
  EXPECT_THAT(mistake("WATCH result="), StartsWith("WATCH: '' is not a result"));
  EXPECT_THAT(mistake("WATCH result=success,,reset"), StartsWith("WATCH: '' is not a result"));
  EXPECT_THAT(mistake("WATCH result=gap"), Not(HasSubstr("undecided")));
}

TEST(WatchRequest, FiltersThatThereAreNot) {
  EXPECT_EQ(mistake("WATCH filter=wbe"),
            "WATCH: no filter is named 'wbe'; there are RX, TX, web, db; did you mean web?");
  EXPECT_THAT(mistake("WATCH filter="), StartsWith("WATCH: no filter is named ''; there are"));
  const FilterNames many = [] {
    std::vector<std::string> all;
    for (int i = 0; i < 1000; ++i) all.push_back("f" + std::to_string(i));
    return all;
  };
  EXPECT_THAT(mistake("WATCH filter=zzzzzz", many), EndsWith("f14, f15 and 984 more"));
}

TEST(WatchRequest, WrongNumbers) {
  for (const char* value : {"", "-1", "+1", "x", "1.0", "18446744073709551616", "0x10"}) {
    EXPECT_THAT(mistake(std::string("WATCH from=") + value),
                EndsWith("is not an event number, a whole number from 0 to 2^64 - 1"));
  }
}

TEST(WatchRequest, WhatIsRefusedIsShownShortAndPrintable) {
  const std::string text = mistake("WATCH \x1b[31m" + std::string(4000, 'x'));
  EXPECT_LT(text.size(), 300U);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  const FilterNames odd = [] { return std::vector<std::string>{"a\nb"}; };
  EXPECT_EQ(mistake("WATCH filter=x", odd).find('\n'), std::string::npos);
}

}  // namespace
}  // namespace tcpeek::engine
