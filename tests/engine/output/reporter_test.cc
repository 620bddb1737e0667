// Outcomes of several readers, told in the order of their time, as lines or as JSON.
#include "engine/output/reporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include "engine/live/interfaces.h"
#include "engine/output/live_line.h"
#include "tests/engine/base/environment.h"
#include "tests/engine/base/text_file.h"
#include "tests/engine/live/readers_fixture.h"
#include "tests/engine/output/local_zone.h"

namespace tcpeek::engine {
namespace {

using flowtable::Cause;
using flowtable::PacketTime;
using flowtable::test::v4;
using flowtable::test::v6;
using test::TextFile;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::chrono_literals;

ring::LinkState machine() {
  ring::LinkState state;
  ring::Link eth;
  eth.index = 7;
  eth.name = "eth7";
  eth.up = true;
  state.links.push_back(eth);
  return state;
}

// Readers whose queues the test fills.
class ReporterTest : public testing::Test {
 protected:
  [[nodiscard]] Reporter reporter(OutputFormat format) {
    return reporter(ReporterConfig{.format = format});
  }
  [[nodiscard]] Reporter reporter(const ReporterConfig& config) {
    return {config, to_error_, to_output_, readers_.filters(),
            [this](std::uint16_t index) { return interfaces_.name_of(index); }};
  }

  [[nodiscard]] OutcomeRecord outcome(std::chrono::nanoseconds at, std::uint16_t port,
                                      Cause cause = Cause::none) const {
    OutcomeRecord o;
    o.initiator = v4(1, port);
    o.responder = v4(2, 80);
    o.first_syn = 1'700'000'000s;
    o.duration = 2ms;
    o.outcome.cause = cause;
    o.outcome.at = PacketTime(at);
    o.interface = 7;
    o.filters = 0b101;  // RX, web
    return o;
  }

  void put(std::size_t reader, const OutcomeRecord& o) {
    ASSERT_TRUE(readers_.reader(reader).outcomes().push(o));
  }

  // The initiators' ports in the order of the lines.
  static std::vector<std::string> ports(const std::vector<std::string>& lines) {
    std::vector<std::string> ports;
    for (const std::string& line : lines) {
      const auto at = line.find("192.0.2.1:");
      if (at != std::string::npos) ports.push_back(line.substr(at + 10, 4));
    }
    return ports;
  }

  test::LocalZone zone_{"UTC"};
  test::ReadersRig readers_{2, {"web:RX@%:80", "tls:RX@%:443"}};
  Interfaces interfaces_{{"any"}, {}, machine()};
  TextFile error_;
  TextFile output_;
  LineWriter to_error_{error_.descriptor()};
  LineWriter to_output_{output_.descriptor()};
};

TEST_F(ReporterTest, HeaderForTextOnly) {
  auto text = reporter(OutputFormat::text);
  text.begin();
  to_error_.flush();
  EXPECT_EQ(error_.text(), live_header() + "\n");
  auto json = reporter(OutputFormat::json);
  json.begin();
  to_error_.flush();
  to_output_.flush();
  EXPECT_EQ(error_.text(), live_header() + "\n");
  EXPECT_EQ(output_.text(), "");
}

TEST_F(ReporterTest, NothingToTell) {
  auto r = reporter(OutputFormat::text);
  r.print(readers_.outcomes());
  r.print({});
  EXPECT_EQ(error_.text() + output_.text(), "");
}

TEST_F(ReporterTest, QuietItStillNotesWhoFailed) {
  auto r = reporter(ReporterConfig{.quiet = true});
  ipc::FailureExamples examples;
  r.keep(examples);
  put(0, outcome(1s, 2000, Cause::refused));
  put(1, outcome(2s, 2001, Cause::refused));
  put(0, outcome(3s, 2002));
  r.print(readers_.outcomes());
  EXPECT_EQ(error_.text() + output_.text(), "");
  for (const char* filter : {"RX", "web"}) {
    const auto* example = examples.find(filter, ipc::FailureReason::refused);
    ASSERT_NE(example, nullptr) << filter;
    EXPECT_THAT(example->labels, HasSubstr(R"(client_address="192.0.2.1")"));
    EXPECT_EQ(examples.find(filter, ipc::FailureReason::timed_out), nullptr);
  }
  EXPECT_EQ(examples.find("tls", ipc::FailureReason::refused), nullptr);
}

TEST_F(ReporterTest, ByTimeAcrossReaders) {
  auto r = reporter(OutputFormat::text);
  put(0, outcome(10s, 1001));
  put(0, outcome(30s, 1003));
  put(0, outcome(40s, 1004));
  put(1, outcome(20s, 1002));
  put(1, outcome(50s, 1005));
  r.print(readers_.outcomes());
  EXPECT_THAT(ports(error_.lines()), ElementsAre("1001", "1002", "1003", "1004", "1005"));
  EXPECT_EQ(output_.text(), "");
  r.print(readers_.outcomes());
  EXPECT_THAT(error_.lines(), SizeIs(5)) << "each is printed once";
}

TEST_F(ReporterTest, AtOneMomentInTheOrderOfTheReaders) {
  auto r = reporter(OutputFormat::text);
  put(1, outcome(10s, 1003));
  put(0, outcome(10s, 1001));
  put(0, outcome(10s, 1002));
  r.print(readers_.outcomes());
  EXPECT_THAT(ports(error_.lines()), ElementsAre("1001", "1002", "1003"));
}

TEST_F(ReporterTest, LinesAsThePureWriterHasThem) {
  auto r = reporter(OutputFormat::text);
  OutcomeRecord o = outcome(10s, 48967, Cause::no_answer);
  o.duration = 39'947ms;
  o.dup_syns = 2;
  o.dup_synacks = 1;
  put(0, o);
  o.initiator = v6(9, 5);
  o.responder = v6(2, 443);
  o.outcome.cause = Cause::unreachable;
  put(0, o);
  r.print(readers_.outcomes());
  EXPECT_THAT(
      error_.lines(),
      ElementsAre("  39.947 | 23-11-14 22:13:20.000 |       192.0.2.1:48967       192.0.2.2:80    "
                  "| failure (timeout) |       2        1 ",
                  "  39.947 | 23-11-14 22:13:20.000 |   [2001:db8::9]:5       [2001:db8::2]:443   "
                  "| failure (unreach) |       2        1 "));
}

TEST_F(ReporterTest, EveryResultByItsName) {
  struct Case {
    Cause cause;
    const char* words;
    const char* json;
  };
  const std::array<Case, 6> cases{
      {{Cause::none, "      success      ", R"("result":"success","cause":"")"},
       {Cause::refused, " failure (reject)  ", R"("result":"reject","cause":"refused")"},
       {Cause::aborted, " failure (reject)  ", R"("result":"reject","cause":"aborted")"},
       {Cause::no_answer, " failure (timeout) ", R"("result":"timeout","cause":"no_answer")"},
       {Cause::no_ack, " failure (timeout) ", R"("result":"timeout","cause":"no_ack")"},
       {Cause::unreachable, " failure (unreach) ", R"("result":"unreach","cause":"unreachable")"}}};
  for (const Case& c : cases) {
    put(0, outcome(10s, 1001, c.cause));
    reporter(OutputFormat::text).print(readers_.outcomes());
    EXPECT_THAT(error_.lines().back(), HasSubstr(std::string("|") + c.words + "|"));
    put(0, outcome(10s, 1001, c.cause));
    reporter(OutputFormat::json).print(readers_.outcomes());
    EXPECT_THAT(output_.lines().back(), HasSubstr(c.json));
  }
}

TEST_F(ReporterTest, JsonNamesInterfaceAndFilters) {
  auto r = reporter(OutputFormat::json);
  OutcomeRecord o = outcome(10s, 1001);
  o.outcome.half_seen = true;
  put(0, o);
  o.responder.port = 443;
  o.filters = 0b1011;
  o.interface = 99;
  put(1, o);
  r.print(readers_.outcomes());
  EXPECT_EQ(error_.text(), "");
  const auto lines = output_.lines();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_THAT(lines[0], HasSubstr(R"("interface":"eth7")"));
  EXPECT_THAT(lines[0], HasSubstr(R"("filters":["RX","web"])"));
  EXPECT_THAT(lines[0], HasSubstr(R"("half_seen":true)"));
  EXPECT_THAT(lines[0], HasSubstr(R"("time":"2023-11-14T22:13:20.000000Z")"));
  EXPECT_THAT(lines[1], HasSubstr(R"("interface":"if99")"));
  EXPECT_THAT(lines[1], HasSubstr(R"("filters":["RX","TX","tls"])"));
}

TEST_F(ReporterTest, NumbersAreGivenOnceAndInOrder) {
  ipc::EventLog log("b");
  Reporter r(
      ReporterConfig{.format = OutputFormat::json}, to_error_, to_output_, readers_.filters(),
      [](std::uint16_t) { return "eth7"; }, &log);
  put(0, outcome(20s, 1002, Cause::refused));
  put(1, outcome(10s, 1001));
  r.print(readers_.outcomes());
  EXPECT_EQ(log.first(), 3U) << "nobody wants them kept";
  log.keep(true);
  put(0, outcome(30s, 1003, Cause::no_answer));
  r.print(readers_.outcomes());
  const auto lines = output_.lines();
  ASSERT_THAT(lines, SizeIs(3));
  EXPECT_THAT(lines[0], HasSubstr(R"("boot":"b","seq":1,)"));
  EXPECT_THAT(lines[1], HasSubstr(R"("boot":"b","seq":2,)"));
  EXPECT_EQ(lines[2], log.at(3).line) << "printed and watched alike";
  EXPECT_EQ(log.at(3).kind, ipc::EventKind::no_answer);
  EXPECT_TRUE(log.at(3).filters->has("web"));
}

TEST_F(ReporterTest, WhoWatchesIsToldWhateverIsPrinted) {
  ipc::EventLog log("b");
  log.keep(true);
  const auto name = [](std::uint16_t) { return "eth7"; };
  Reporter text(ReporterConfig{.format = OutputFormat::text}, to_error_, to_output_,
                readers_.filters(), name, &log);
  put(0, outcome(10s, 1001));
  text.print(readers_.outcomes());
  EXPECT_THAT(error_.lines(), SizeIs(1));
  Reporter quiet(ReporterConfig{.quiet = true}, to_error_, to_output_, readers_.filters(), name,
                 &log);
  quiet.begin();
  put(0, outcome(10s, 1001));
  quiet.print(readers_.outcomes());
  EXPECT_THAT(error_.lines(), SizeIs(1));
  EXPECT_EQ(output_.text(), "");
  ASSERT_EQ(log.next(), 3U);
  EXPECT_THAT(log.at(2).line, HasSubstr(R"("filters":["RX","web"])"));
  log.keep(false);
  put(0, outcome(10s, 1001));
  text.print(readers_.outcomes());
  EXPECT_EQ(log.next(), 4U) << "what nobody formats has its number";
}

TEST_F(ReporterTest, WhyByOpenTelemetrysWords) {
  const auto type_of = [this](Cause cause, std::optional<flowtable::IcmpError> error = {}) {
    OutcomeRecord o = outcome(10s, 1001, cause);
    o.has_error = error.has_value();
    if (error) o.error = *error;
    return error_type(o);
  };
  EXPECT_EQ(type_of(Cause::none), "");
  EXPECT_EQ(type_of(Cause::pending), "");
  EXPECT_EQ(type_of(Cause::evicted), "");
  EXPECT_EQ(type_of(Cause::refused), "refused");
  for (const Cause cause : {Cause::reset, Cause::aborted, Cause::half_open, Cause::probe}) {
    EXPECT_EQ(type_of(cause), "reset");
  }
  for (const Cause cause : {Cause::no_answer, Cause::no_ack, Cause::superseded}) {
    EXPECT_EQ(type_of(cause), "timed_out");
  }
  const auto v4_error = [](std::uint8_t code) {
    return flowtable::IcmpError{.router = {}, .type = 3, .code = code, .v6 = false};
  };
  EXPECT_EQ(type_of(Cause::unreachable), "host_unreachable");
  EXPECT_EQ(type_of(Cause::unreachable, v4_error(0)), "net_unreachable");
  EXPECT_EQ(type_of(Cause::unreachable, v4_error(1)), "host_unreachable");
  EXPECT_EQ(type_of(Cause::unreachable, v4_error(3)), "refused");
  EXPECT_EQ(type_of(Cause::unreachable, v4_error(13)), "host_unreachable");
}

TEST_F(ReporterTest, ManyAtOnce) {
  auto r = reporter(OutputFormat::json);
  constexpr std::size_t kEach = 40'000;
  for (std::size_t i = 0; i < kEach; ++i) {
    for (std::size_t reader : {0U, 1U}) put(reader, outcome(std::chrono::seconds(i), 1001));
  }
  std::size_t looks = 0;
  while (readers_.reader(0).outcomes().size() + readers_.reader(1).outcomes().size() > 0) {
    r.print(readers_.outcomes());
    ASSERT_LT(++looks, 10U);
  }
  to_output_.flush();
  EXPECT_EQ(output_.lines().size() + to_output_.lost(), 2 * kEach);
  EXPECT_EQ(to_output_.lost(), 0U) << "a file takes all";
}

TEST_F(ReporterTest, ShowsOnlyWhatIsChosen) {
  Reporter r = reporter(ReporterConfig{.only = *OutcomeChoice::parse("refused,timeout")});
  put(0, outcome(1s, 1001));
  put(0, outcome(2s, 1002, Cause::refused));
  put(1, outcome(3s, 1003, Cause::no_ack));
  put(1, outcome(4s, 1004, Cause::aborted));
  r.print(readers_.outcomes());
  EXPECT_THAT(ports(error_.lines()), ElementsAre("1002", "1003"));
  r.show(OutcomeChoice());
  put(0, outcome(5s, 1005));
  r.print(readers_.outcomes());
  EXPECT_THAT(ports(error_.lines()), ElementsAre("1002", "1003", "1005"));
}

TEST_F(ReporterTest, ShowsSoManyAndNoMore) {
  Reporter r =
      reporter(ReporterConfig{.only = *OutcomeChoice::parse("failure,pending"), .count = 2});
  EXPECT_FALSE(r.done());
  put(0, outcome(1s, 1001, Cause::refused));
  put(0, outcome(2s, 1002));
  put(0, outcome(3s, 1003, Cause::pending));
  r.print(readers_.outcomes());
  EXPECT_FALSE(r.done()) << "what is pending is no outcome, and a success is not shown";
  put(0, outcome(5s, 1005, Cause::no_ack));
  put(1, outcome(4s, 1004, Cause::reset));
  r.print(readers_.outcomes());
  EXPECT_TRUE(r.done());
  EXPECT_THAT(ports(error_.lines()), ElementsAre("1001", "1003", "1004")) << "in order of time";
  put(0, outcome(6s, 1006, Cause::refused));
  EXPECT_FALSE(r.print(readers_.outcomes()));
  EXPECT_THAT(error_.lines(), SizeIs(3));
}

TEST_F(ReporterTest, CountsInQuiet) {
  Reporter r = reporter(ReporterConfig{.count = 1, .quiet = true});
  r.begin();
  put(0, outcome(1s, 1001));
  r.print(readers_.outcomes());
  EXPECT_TRUE(r.done());
  EXPECT_THAT(error_.lines(), IsEmpty());
}

TEST_F(ReporterTest, ColourWhereItIsWanted) {
  const test::Environment refused("NO_COLOR", "1");
  put(0, outcome(1s, 1001));
  reporter(ReporterConfig{.colour = ColourMode::always}).print(readers_.outcomes());
  EXPECT_THAT(error_.text(), HasSubstr("\x1b[32m")) << "the option goes before the environment";
}

// What is shown on a terminal.
std::string on_terminal(const FilterRegistry& filters, const Interfaces& interfaces,
                        test::ReadersRig& readers, const OutcomeRecord& o) {
  int master = -1;
  int slave = -1;
  if (::openpty(&master, &slave, nullptr, nullptr, nullptr) != 0) ring::throw_errno("openpty");
  const ring::Descriptor reading(master);
  const ring::Descriptor writing(slave);
  LineWriter terminal(writing.get());
  const TextFile output;
  LineWriter to_output(output.descriptor());
  Reporter r({}, terminal, to_output, filters,
             [&](std::uint16_t index) { return interfaces.name_of(index); });
  EXPECT_TRUE(readers.reader(0).outcomes().push(o));
  r.print(readers.outcomes());
  std::array<char, 1024> buffer{};
  const auto n = ::read(reading.get(), buffer.data(), buffer.size());
  return n > 0 ? std::string(buffer.data(), static_cast<std::size_t>(n)) : std::string();
}

TEST_F(ReporterTest, ColourOnTerminalsUnlessRefused) {
  const OutcomeRecord o = outcome(10s, 1001);
  const auto show = [&] { return on_terminal(readers_.filters(), interfaces_, readers_, o); };
  {
    const test::Environment none("NO_COLOR", nullptr);
    EXPECT_THAT(show(), HasSubstr("\x1b[32m"));
  }
  {
    const test::Environment empty("NO_COLOR", "");
    EXPECT_THAT(show(), HasSubstr("\x1b[32m")) << "an empty value counts as unset";
  }
  for (const char* value : {"1", "0", "false"}) {
    const test::Environment refused("NO_COLOR", value);
    EXPECT_EQ(show().find('\x1b'), std::string::npos);
  }
  const test::Environment none("NO_COLOR", nullptr);
  put(0, o);
  reporter(OutputFormat::text).print(readers_.outcomes());
  EXPECT_EQ(error_.text().find('\x1b'), std::string::npos) << "a file is not a terminal";
}

}  // namespace
}  // namespace tcpeek::engine
