// The columns of the terminal, character by character.
#include "engine/output/live_line.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/engine/output/local_zone.h"

namespace tcpeek::engine {
namespace {

using flowtable::Result;
using ipc::OutcomeEvent;
using namespace std::chrono_literals;
using std::chrono::sys_days;

constexpr const char* kTokyo = "JST-9";

// 2012-07-06 16:39:02.552 in Tokyo.
const std::chrono::system_clock::time_point kMoment =
    sys_days(2012y / 7 / 6) + 7h + 39min + 2s + 552ms;

OutcomeEvent success() {
  OutcomeEvent e;
  e.first_syn = kMoment;
  e.duration = 2ms;
  e.initiator = {"192.168.2.227", 48967};
  e.responder = {"192.168.2.202", 80};
  return e;
}

std::string line(const OutcomeEvent& e, Result result = Result::success) {
  const test::LocalZone zone(kTokyo);
  return live_line(e, result, false);
}

TEST(LiveLineTest, Header) {
  const std::string header = live_header();
  const auto end = header.find('\n');
  ASSERT_NE(end, std::string::npos);
  EXPECT_EQ(header.substr(0, end),
            " TIME(s) |       TIMESTAMP       |      SRC IP:PORT            DST IP:PORT     |"
            "      RESULTS      | DUP SYN  DUP S/A");
  EXPECT_EQ(header.substr(end + 1), std::string(118, '-'));
}

TEST(LiveLineTest, Success) {
  EXPECT_EQ(line(success()),
            "   0.002 | 12-07-06 16:39:02.552 |   192.168.2.227:48967   192.168.2.202:80    |"
            "      success      |       0        0 ");
}

TEST(LiveLineTest, Failures) {
  OutcomeEvent e = success();
  e.first_syn = sys_days(2012y / 7 / 6) + 7h + 41min + 29s + 723ms;
  e.duration = 39'947ms;
  e.initiator.port = 58376;
  e.responder = {"192.168.2.207", 8080};
  e.dup_syn = 2;
  EXPECT_EQ(line(e, Result::timeout),
            "  39.947 | 12-07-06 16:41:29.723 |   192.168.2.227:58376   192.168.2.207:8080  |"
            " failure (timeout) |       2        0 ");
  e.duration = 0us;
  e.dup_syn = 0;
  e.dup_synack = 3;
  EXPECT_EQ(line(e, Result::reject),
            "   0.000 | 12-07-06 16:41:29.723 |   192.168.2.227:58376   192.168.2.207:8080  |"
            " failure (reject)  |       0        3 ");
  EXPECT_EQ(line(e, Result::unreach),
            "   0.000 | 12-07-06 16:41:29.723 |   192.168.2.227:58376   192.168.2.207:8080  |"
            " failure (unreach) |       0        3 ");
}

// Each line fits under the header: the bars stand where the header's do.
TEST(LiveLineTest, BarsStandUnderEachOther) {
  const std::string header = live_header();
  for (const Result result : {Result::success, Result::timeout, Result::reject, Result::unreach}) {
    OutcomeEvent e = success();
    e.initiator = {"1.2.3.4", 1};
    e.responder = {"255.255.255.255", 65535};
    const std::string text = line(e, result);
    EXPECT_EQ(text.size(), 118U);
    for (std::size_t i = 0; i < header.find('\n'); ++i) {
      EXPECT_EQ(header[i] == '|', text[i] == '|') << i << " of\n" << text;
    }
  }
}

TEST(LiveLineTest, Ipv6WidensItsColumnOnly) {
  OutcomeEvent e = success();
  e.initiator = {"2001:db8:1111:2222:3333:4444:5555:6666", 48967};
  EXPECT_EQ(line(e),
            "   0.002 | 12-07-06 16:39:02.552 | [2001:db8:1111:2222:3333:4444:5555:6666]:48967 "
            "  192.168.2.202:80    |      success      |       0        0 ");
  e.initiator = {"::1", 5};
  e.responder = {"fe80::2", 443};
  EXPECT_EQ(line(e),
            "   0.002 | 12-07-06 16:39:02.552 |           [::1]:5           [fe80::2]:443   |"
            "      success      |       0        0 ");
}

TEST(LiveLineTest, LongTimesAndManyRepetitionsAreShownWhole) {
  OutcomeEvent e = success();
  e.duration = 12'345'678ms;
  e.dup_syn = 4'294'967'295;
  e.dup_synack = 65'535;
  EXPECT_EQ(line(e),
            "12345.678 | 12-07-06 16:39:02.552 |   192.168.2.227:48967   192.168.2.202:80    |"
            "      success      |4294967295    65535 ");
  e.duration = 9'999'999ms;
  EXPECT_EQ(line(e).substr(0, 11), "9999.999 | ");
}

TEST(LiveLineTest, TimesAreRounded) {
  OutcomeEvent e = success();
  e.duration = 1'499us;
  EXPECT_EQ(line(e).substr(0, 8), "   0.001");
  e.duration = 1'501us;
  EXPECT_EQ(line(e).substr(0, 8), "   0.002");
}

TEST(LiveLineTest, MillisecondsOfTheStampAreCutNotRounded) {
  OutcomeEvent e = success();
  e.first_syn = sys_days(2012y / 7 / 6) + 7h + 39min + 2s + 999'999us;
  EXPECT_NE(line(e).find(" 16:39:02.999 "), std::string::npos);
  e.first_syn = sys_days(2012y / 7 / 6) + 7h + 39min + 2s + 7ms;
  EXPECT_NE(line(e).find(" 16:39:02.007 "), std::string::npos);
}

// Some capture files have such times.
TEST(LiveLineTest, StampsBefore1970) {
  OutcomeEvent e = success();
  e.first_syn = std::chrono::system_clock::time_point(-391ms - 9h);
  EXPECT_EQ(line(e).substr(11, 21), "69-12-31 23:59:59.609");
  e.first_syn = std::chrono::system_clock::time_point(-1ms - 9h);
  EXPECT_EQ(line(e).substr(11, 21), "69-12-31 23:59:59.999");
  e.first_syn = std::chrono::system_clock::time_point(-9h);
  EXPECT_EQ(line(e).substr(11, 21), "70-01-01 00:00:00.000");
}

TEST(LiveLineTest, StampsAreLocal) {
  const OutcomeEvent e = success();
  const test::LocalZone zone("EST5EDT,M3.2.0,M11.1.0");
  EXPECT_NE(live_line(e, Result::success, false).find("| 12-07-06 03:39:02.552 |"),
            std::string::npos);
}

TEST(LiveLineTest, ColourIsOfTheResultOnly) {
  const test::LocalZone zone(kTokyo);
  for (const Result result : {Result::success, Result::timeout, Result::reject, Result::unreach}) {
    OutcomeEvent e = success();
    const std::string plain = live_line(e, result, false);
    std::string coloured = live_line(e, result, true);
    EXPECT_EQ(plain.find('\x1b'), std::string::npos);
    const std::string on = result == Result::success ? "\x1b[32m" : "\x1b[31m";
    const auto at = coloured.find(on);
    ASSERT_NE(at, std::string::npos);
    EXPECT_EQ(coloured[at - 1], '|');
    coloured.erase(at, on.size());
    const auto off = coloured.find("\x1b[0m");
    ASSERT_NE(off, std::string::npos);
    EXPECT_EQ(coloured[off + 4], '|');
    coloured.erase(off, 4);
    EXPECT_EQ(coloured, plain);
  }
}

}  // namespace
}  // namespace tcpeek::engine
