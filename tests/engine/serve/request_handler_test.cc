// What clients ask, by real clients of a real server, and readers that answer when they are let to.
#include "engine/serve/request_handler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "engine/live/explain_collector.h"
#include "engine/live/services_collector.h"
#include "engine/live/snapshot_collector.h"
#include "engine/live/top_collector.h"
#include "tests/engine/live/readers_fixture.h"
#include "tests/ipc/unix_server_fixture.h"

namespace tcpeek::engine {
namespace {

using ipc::test::Client;
using ipc::test::patient;
using test::ReadersRig;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using namespace std::chrono_literals;

class RequestHandlerTest : public ipc::test::UnixServerTest {
 protected:
  void serve_answers(const ipc::ServerLimits& limits = patient()) {
    serve(limits, [this](std::string word, RequestHandler::Reply reply) {
      request_handler_.ask(std::move(word), std::move(reply));
    });
  }

  void wait_for_requests(std::uint64_t number) {
    ASSERT_TRUE(ipc::test::eventually([&] { return stats().requests == number; }));
  }

  void TearDown() override {
    UnixServerTest::TearDown();
    readers_.stop();
  }

  ReadersRig readers_{2};
  Interfaces interfaces_{{"any"}, {}, {}};
  SnapshotCollector snapshot_collector_{reactor_, readers_.readers(), readers_.filters(),
                                        interfaces_, read_clocks()};
  TopRounds top_rounds_{reactor_, readers_.readers()};
  TopCollector top_collector_{top_rounds_};
  ServicesCollector services_collector_{top_rounds_};
  ExplainCollector explain_collector_{snapshot_collector_, top_rounds_, true};
  RequestHandler request_handler_{
      reactor_,
      [this](SnapshotCollector::Receiver receiver) {
        snapshot_collector_.collect(std::move(receiver));
      },
      [this](const ipc::TopRequest& request, TopCollector::Receiver receiver) {
        top_collector_.collect(request, std::move(receiver));
      }};
};

TEST_F(RequestHandlerTest, EachWordHasItsReply) {
  readers_.start();
  serve_answers();
  EXPECT_THAT(ask("STATS\n"), StartsWith(R"({"schema":2,)"));
  EXPECT_THAT(ask("REFRESH\n"), StartsWith(R"([{"RX":)"));
  EXPECT_THAT(ask("REFRESH\n"), EndsWith(R"("reject":0}}}])"));
  for (const char* word : {"GET\n", "get\n", "STAT\n", "\n", "STATS STATS\n", "refresh\n"}) {
    EXPECT_THAT(ask(word), EndsWith(R"({"pcap":{"stats":{"recv":0,"drop":0,"ifdrop":0}}}])"))
        << word;
  }
}

TEST_F(RequestHandlerTest, WhoElseAsksForTopIsAnsweredInTurn) {
  readers_.start();
  serve_answers();
  std::vector<ipc::TopBy> told;
  on_reactor([&] {
    for (const auto by : {ipc::TopBy::pair, ipc::TopBy::service, ipc::TopBy::network}) {
      top_collector_.collect({.count = 5, .by = by},
                             [&](const ipc::Top& top) { told.push_back(top.request.by); });
    }
    return true;
  });
  EXPECT_THAT(ask("TOP 5\n"), StartsWith(R"({"schema":1,)"));
  EXPECT_THAT(on_reactor([&] { return told; }),
              ElementsAre(ipc::TopBy::pair, ipc::TopBy::service, ipc::TopBy::network));
}

TEST_F(RequestHandlerTest, MetricsInEitherFormOrWithTheMistake) {
  readers_.start();
  serve_answers();
  EXPECT_THAT(ask("METRICS\n"), StartsWith(R"([{"RX":)")) << "where it is not offered";
  ServiceMembers members({.local = 5, .remote = 5});
  MetricsReplies metrics(
      [&](const ServicesCollector::Receiver& receiver) {
        services_collector_.collect(members, receiver);
      },
      nullptr);
  on_reactor([&] {
    request_handler_.offer(metrics);
    return true;
  });
  EXPECT_THAT(ask("METRICS\n"), StartsWith("# TYPE tcpeek_build info\n"));
  EXPECT_THAT(ask("METRICS openmetrics\n"), EndsWith("\n# EOF\n"));
  EXPECT_THAT(ask("METRICS prometheus\n"), StartsWith("# TYPE tcpeek_build_info gauge\n"));
  EXPECT_THAT(ask("METRICS gzip\n"), StartsWith("\x1f\x8b"));
  EXPECT_THAT(ask("METRICS json\n"), StartsWith(R"({"error":"METRICS: 'json' is not an argument)"));
  EXPECT_THAT(ask("METRICSX\n"), StartsWith(R"([{"RX":)"));
  EXPECT_THAT(ask("STATS\n"), StartsWith(R"({"schema":2,)"));
  stop();
}

// Readers answer one query at a time: neither word loses its reply to the other.
TEST_F(RequestHandlerTest, TopAndMetricsAtOnce) {
  serve_answers();
  ServiceMembers members({.local = 5, .remote = 5});
  MetricsReplies metrics(
      [&](const ServicesCollector::Receiver& receiver) {
        services_collector_.collect(members, receiver);
      },
      nullptr);
  on_reactor([&] {
    request_handler_.offer(metrics);
    return true;
  });
  std::vector<Client> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back(path());
    ASSERT_TRUE(clients.back().send(i % 2 == 0 ? "TOP\n" : "METRICS\n"));
    wait_for_requests(static_cast<std::uint64_t>(i) + 1);
  }
  readers_.start();
  for (std::size_t i = 0; i < clients.size(); ++i) {
    EXPECT_THAT(clients[i].receive_all().text,
                StartsWith(i % 2 == 0 ? R"({"schema":1)" : "# TYPE"));
  }
  stop();
}

TEST_F(RequestHandlerTest, HistoryIsAWordOnlyWhereOneIsKept) {
  readers_.start();
  serve_answers();
  EXPECT_THAT(ask("HISTORY\n"), StartsWith(R"([{"RX":)"));
  const History history;
  on_reactor([&] {
    request_handler_.offer(history);
    return true;
  });
  EXPECT_THAT(ask("HISTORY\n"), StartsWith(R"({"schema":1,"time":)"));
  EXPECT_THAT(ask("HISTORY \t 86400 \r\n"), StartsWith(R"({"schema":1,"time":)"));
  for (const char* wrong :
       {"HISTORY 0\n", "HISTORY -5\n", "HISTORY 1 2\n", "HISTORY 99999999999999\n"}) {
    EXPECT_THAT(ask(wrong), StartsWith(R"({"error":"HISTORY: )")) << wrong;
  }
  for (const char* word : {"HISTORYX\n", "history\n", "GET HISTORY\n"}) {
    EXPECT_THAT(ask(word), StartsWith(R"([{"RX":)")) << word;
  }
}

// One text in a round: the others wait, and all are answered.
TEST_F(RequestHandlerTest, DifferentHistoriesAreToldOneAfterTheOther) {
  const History history;
  request_handler_.offer(history);
  serve_answers();
  std::vector<Client> clients;
  for (const char* word : {"HISTORY 1\n", "HISTORY 2\n", "HISTORY 1\n", "STATS\n", "HISTORY 3\n",
                           "HISTORY\n", "HISTORY 2\n"}) {
    clients.emplace_back(path());
    ASSERT_TRUE(clients.back().send(word));
    wait_for_requests(clients.size());
  }
  readers_.start();
  std::vector<std::string> replies;
  for (const Client& client : clients) replies.push_back(client.receive_all().text);
  EXPECT_THAT(replies, Each(StartsWith(R"({"schema":)")));
  EXPECT_EQ(replies[1], replies[6]) << "all but the first came in one round";
  EXPECT_EQ(std::set<std::string>(replies.begin(), replies.end()).size(), 6U);
}

// One is made in a round: the others wait, and all are answered.
TEST_F(RequestHandlerTest, EachDeltaIsToldInARoundOfItsOwn) {
  serve_answers();
  std::vector<Client> clients;
  for (const char* word : {"DELTA a\n", "DELTA b\n", "DELTA a\n", "STATS\n", "DELTA a b\n"}) {
    clients.emplace_back(path());
    ASSERT_TRUE(clients.back().send(word));
    wait_for_requests(clients.size());
  }
  readers_.start();
  std::vector<std::string> replies;
  for (const Client& client : clients) replies.push_back(client.receive_all().text);
  EXPECT_THAT(replies[0], StartsWith(R"({"schema":2,"delta":{"name":"a",)"));
  EXPECT_THAT(replies[0], HasSubstr(R"("first":true})"));
  EXPECT_THAT(replies[1], StartsWith(R"({"schema":2,"delta":{"name":"b",)"));
  EXPECT_THAT(replies[2], HasSubstr(R"("first":false})"));
  EXPECT_THAT(replies[3], StartsWith(R"({"schema":2,"version":)"));
  EXPECT_THAT(replies[4], StartsWith(R"({"error":"DELTA: 'a b' is not a name;)"));
  EXPECT_EQ(request_handler_.deltas().names(), 2U);
}

TEST_F(RequestHandlerTest, OfferedWordsAreAnsweredAtOnce) {
  request_handler_.offer([](std::string_view line, const RequestHandler::Reply& reply) {
    if (line != "PING") return false;
    reply(std::string("pong"));
    return true;
  });
  serve_answers();  // no reader answers
  EXPECT_EQ(ask("PING\n"), "pong");
  readers_.start();
  EXPECT_THAT(ask("PONG\n"), StartsWith(R"([{"RX":)"));
}

TEST_F(RequestHandlerTest, WhoAsksTogetherIsAnsweredTogether) {
  serve_answers();  // no reader answers yet: the first question's round lasts
  std::vector<Client> clients;
  for (const char* word : {"GET\n", "STATS\n", "REFRESH\n", "STATS\n", "STATS\n", "GET\n"}) {
    clients.emplace_back(path());
    ASSERT_TRUE(clients.back().send(word));
    wait_for_requests(clients.size());
  }
  readers_.start();
  const std::string shared = clients[1].receive_all().text;
  EXPECT_THAT(shared, StartsWith(R"({"schema":2,)"));
  for (const std::size_t stats : {3U, 4U}) {
    EXPECT_EQ(clients[stats].receive_all().text, shared) << "all share one snapshot";
  }
  for (const std::size_t other : {0U, 2U, 5U}) {
    EXPECT_THAT(clients[other].receive_all().text, StartsWith(R"([{"RX":)"));
  }
}

TEST_F(RequestHandlerTest, QuestionsOfClientsThatLeftAreForgotten) {
  ipc::ServerLimits limits = patient();
  limits.max_clients = 4;
  serve_answers(limits);
  std::vector<Client> clients;
  for (std::size_t i = 1; i <= 200; ++i) {
    clients.emplace_back(path());
    ASSERT_TRUE(clients.back().send("STATS\n"));
    wait_for_requests(i);
    ASSERT_LE(on_reactor([&] { return request_handler_.waiting(); }), limits.max_clients);
  }
  readers_.start();
  std::size_t answered = 0;
  for (const Client& client : clients) {
    if (!client.receive_all().text.empty()) ++answered;
  }
  EXPECT_EQ(answered, limits.max_clients);
  EXPECT_EQ(stats().clients_displaced, 200 - limits.max_clients);
}

// A client that asks again and again has the readers copy their counts at a bounded pace.
TEST_F(RequestHandlerTest, BetweenTwoRoundsIsAPause) {
  readers_.start();
  serve_answers();
  constexpr int kQuestions = 20;
  const auto begin = std::chrono::steady_clock::now();
  std::set<std::string> replies;
  for (int i = 0; i < kQuestions; ++i) replies.insert(ask("STATS\n"));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, (kQuestions - 1) * RequestHandler::kPause);
  EXPECT_EQ(replies.size(), kQuestions) << "each is answered from a snapshot of its own";
}

TEST_F(RequestHandlerTest, TopHasRepliesOfItsOwn) {
  readers_.start();
  serve_answers();
  for (const char* word : {"TOP\n", "TOP 5\n", " TOP  by=pair  7 \r\n", "TOP by=network\n"}) {
    EXPECT_THAT(ask(word), StartsWith(R"({"schema":1,"time":)")) << word;
  }
  for (const char* word : {"TOP 0\n", "TOP 101\n", "TOP by=port\n", "TOP 1 2\n", "TOP -1\n"}) {
    EXPECT_THAT(ask(word), StartsWith(R"({"error":")")) << word;
  }
  for (const char* word : {"TOPS\n", "top\n", "TOP5\n"}) {
    EXPECT_THAT(ask(word), StartsWith(R"([{"RX":)")) << word;
  }
}

TEST_F(RequestHandlerTest, WhoAsksForTheSameTopTogetherIsAnsweredTogether) {
  serve_answers();  // no reader answers yet
  std::vector<Client> clients;
  for (const char* word : {"TOP\n", "TOP\n", "TOP 3\n", "TOP\n", "TOP 3\n"}) {
    clients.emplace_back(path());
    ASSERT_TRUE(clients.back().send(word));
    wait_for_requests(clients.size());
  }
  readers_.start();
  std::vector<std::string> replies;
  for (Client& client : clients) replies.push_back(client.receive_all().text);
  for (const std::string& reply : replies) EXPECT_THAT(reply, StartsWith(R"({"schema":1,)"));
  EXPECT_EQ(replies[1], replies[3]) << "asked while the first round lasted";
  EXPECT_EQ(replies[2], replies[4]);
}

TEST_F(RequestHandlerTest, ExplainIsAWordOnlyWhereItIsOffered) {
  readers_.start();
  serve_answers();
  EXPECT_THAT(ask("EXPLAIN\n"), StartsWith(R"([{"RX":)"));
  request_handler_.offer([this](ExplainCollector::Receiver receiver) {
    explain_collector_.collect(std::move(receiver));
  });
  for (const char* word : {"EXPLAIN\n", " EXPLAIN \t\r\n"}) {
    EXPECT_THAT(ask(word), StartsWith(R"({"schema":1,"time":)")) << word;
  }
  for (const char* word : {"EXPLAIN 3\n", "EXPLAIN EXPLAIN\n"}) {
    EXPECT_EQ(ask(word), R"({"error":"EXPLAIN: takes no argument; send the word alone"})") << word;
  }
  for (const char* word : {"EXPLAINS\n", "explain\n", "EXPLAIN3\n"}) {
    EXPECT_THAT(ask(word), StartsWith(R"([{"RX":)")) << word;
  }
}

TEST_F(RequestHandlerTest, ExplainAndTopTakeTurns) {
  serve_answers();  // no reader answers yet
  request_handler_.offer([this](ExplainCollector::Receiver receiver) {
    explain_collector_.collect(std::move(receiver));
  });
  std::vector<Client> clients;
  for (const char* word : {"TOP\n", "EXPLAIN\n", "TOP 3\n", "EXPLAIN\n", "STATS\n"}) {
    clients.emplace_back(path());
    ASSERT_TRUE(clients.back().send(word));
    wait_for_requests(clients.size());
  }
  readers_.start();
  std::vector<std::string> replies;
  for (Client& client : clients) replies.push_back(client.receive_all().text);
  for (const std::string& reply : replies) EXPECT_THAT(reply, StartsWith(R"({"schema":)"));
  EXPECT_EQ(replies[1], replies[3]);
}

}  // namespace
}  // namespace tcpeek::engine
