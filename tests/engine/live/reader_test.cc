// A reader's thread: its start and its end, its reports, its mail. Without rings.
#include "engine/live/reader.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "tests/engine/live/readers_fixture.h"

namespace tcpeek::engine {
namespace {

using flowtable::PacketTime;
using flowtable::Segment;
using flowtable::test::Ends;
using flowtable::test::Packet;
using flowtable::test::v4;
using ipc::Tally;
using tcpeek::test::eventually;
using test::ReadersRig;
using namespace std::chrono_literals;

// A CPU that no machine of ours has.
constexpr unsigned kNoSuchCpu = 1023;

const Ends kIn{v4(1, 40000), v4(2, 80)};

Segment at(const Packet& packet, std::chrono::nanoseconds wall) {
  Segment segment = packet.segment();
  segment.time = PacketTime(wall);
  return segment;
}

std::uint64_t ignored(const ReaderReport& r) {
  std::uint64_t sum = 0;
  for (const std::uint64_t count : r.tracker.ignored.counts) sum += count;
  for (const std::uint64_t count : r.undecoded.counts) sum += count;
  return sum;
}

// engine/pipeline/reader_report.h.
void expect_invariant(const ReaderReport& r) {
  EXPECT_EQ(r.delivered + r.mailed_in,
            r.tracker.used + ignored(r) + r.unreadable + r.mailed_out + r.mailbox_full);
}

TEST(ReaderTest, ReportsWhenAsked) {
  ReadersRig readers(2);
  readers.start();
  EXPECT_TRUE(readers.reader(0).report_ready()) << "nothing was asked";
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(readers.take_reports());
  const ReaderReport& report = readers.reader(0).report();
  EXPECT_EQ(report.outcomes.filters.size(), 2U);
  EXPECT_EQ(report.outcomes.totals[Tally::attempts], 0U);
  EXPECT_GE(report.capacity, 1000U);
  expect_invariant(report);
}

TEST(ReaderTest, SeveralRequestsAtOnceAreAnswered) {
  ReadersRig readers(1);
  readers.start();
  for (int i = 0; i < 100; ++i) readers.reader(0).request_report();
  EXPECT_TRUE(eventually([&] { return readers.reader(0).report_ready(); }));
}

TEST(ReaderTest, StopsWithoutHavingStarted) {
  ReadersRig readers(3);
  readers.reader(0).stop();
  readers.reader(0).join();
}

TEST(ReaderTest, StopTwice) {
  ReadersRig readers(2);
  readers.start();
  readers.stop();
  readers.stop();
}

TEST(ReaderTest, MailIsTrackedInTheOrderOfTime) {
  ReadersRig readers(2);
  const Mailbox::Sender sender = readers.mailbox(1).add_sender();
  readers.start();
  const auto now = read_clocks().wall;
  ASSERT_TRUE(readers.mailbox(1).send(sender, at(kIn.syn(10), now)));
  ASSERT_TRUE(readers.mailbox(1).send(sender, at(kIn.synack(20, 11), now + 1ms)));
  ASSERT_TRUE(readers.mailbox(1).send(sender, at(kIn.ack(11, 21), now + 2ms)));
  ASSERT_TRUE(readers.reports_until([&] { return readers.sum(Tally::success) == 1; }));
  const ReaderReport& report = readers.reader(1).report();
  EXPECT_EQ(report.mailed_in, 3U);
  EXPECT_EQ(report.tracker.used, 3U);
  EXPECT_EQ(report.outcomes.filters[0][Tally::success], 1U);
  EXPECT_EQ(report.outcomes.totals.latency.sum_us(), 2000U);
  EXPECT_EQ(readers.reader(0).report().mailed_in, 0U);
  expect_invariant(report);
  OutcomeRecord outcome;
  ASSERT_TRUE(readers.reader(1).outcomes().pop(outcome));
  EXPECT_EQ(outcome.initiator, kIn.client);
  EXPECT_LT(std::chrono::abs(outcome.first_syn - now), 1ms);
}

TEST(ReaderTest, MailThatIsAheadOfTimeWaits) {
  ReadersRig readers(2);
  const Mailbox::Sender sender = readers.mailbox(0).add_sender();
  readers.start();
  const auto now = read_clocks().wall;
  ASSERT_TRUE(readers.mailbox(0).send(sender, at(kIn.syn(10), now + 1h)));
  ASSERT_TRUE(readers.reports_until([&] { return readers.mailbox(0).size() == 0; }));
  const ReaderReport& report = readers.reader(0).report();
  EXPECT_EQ(report.mailed_in, 0U) << "counts as still under way";
  EXPECT_EQ(report.outcomes.totals[Tally::attempts], 0U);
  readers.stop();
  EXPECT_EQ(report.mailed_in, 1U) << "nothing is left at the end";
  EXPECT_EQ(report.outcomes.totals[Tally::attempts], 1U);
}

TEST(ReaderTest, MailSentBeforeTheEndIsRead) {
  for (int round = 0; round < 5; ++round) {
    ReadersRig readers(2);
    const Mailbox::Sender sender = readers.mailbox(1).add_sender();
    readers.start();
    const auto now = read_clocks().wall;
    for (std::uint32_t i = 0; i < 2000; ++i) {
      const Ends ends{v4(1, static_cast<std::uint16_t>(i + 1)), v4(2, 80)};
      ASSERT_TRUE(readers.mailbox(1).send(sender, at(ends.syn(10), now)));
    }
    readers.stop();
    EXPECT_EQ(readers.reader(1).report().mailed_in, 2000U);
    EXPECT_EQ(readers.sum(Tally::attempts), 2000U);
    expect_invariant(readers.reader(1).report());
  }
}

// On an idle link too: nobody sends a packet that would bring it about.
TEST(ReaderTest, AttemptsTimeOutBySilence) {
  ReadersRig readers(2);
  const Mailbox::Sender sender = readers.mailbox(0).add_sender();
  readers.start();
  ASSERT_TRUE(readers.mailbox(0).send(sender, at(kIn.syn(10), read_clocks().wall - 59s)));
  ASSERT_TRUE(readers.reports_until([&] { return readers.sum(Tally::timed_out_no_answer) == 1; }));
  EXPECT_EQ(readers.sum(Tally::pending), 0U);
  EXPECT_EQ(readers.sum(Tally::uncertain), 0U);
}

// What the reactor goes by instead of asking.
TEST(ReaderTest, AReportIsCurrentUntilSomethingHappens) {
  ReadersRig readers(2);
  const Mailbox::Sender sender = readers.mailbox(0).add_sender();
  readers.start();
  ASSERT_TRUE(readers.take_reports());
  for (const std::size_t i : {0U, 1U}) {
    ASSERT_TRUE(eventually([&] { return readers.reader(i).report_current(); }));
  }
  EXPECT_FALSE(readers.readers().changed());
  EXPECT_EQ(readers.readers().request_reports(Readers::Ask::changed), 0U);

  // Both sleep, with no time limit: it is the mail that wakes the one.
  ASSERT_TRUE(readers.mailbox(0).send(sender, at(kIn.syn(10), read_clocks().wall)));
  ASSERT_TRUE(eventually([&] { return !readers.reader(0).report_current(); }));
  EXPECT_TRUE(readers.reader(1).report_current());
  EXPECT_EQ(readers.sum(Tally::attempts), 0U) << "not yet told";
  ASSERT_TRUE(eventually([&] { return readers.readers().reports_ready(); }));
  EXPECT_EQ(readers.readers().request_reports(Readers::Ask::changed), 1U);
  ASSERT_TRUE(eventually([&] { return readers.readers().reports_ready(); }));
  EXPECT_EQ(readers.sum(Tally::attempts), 1U);
  EXPECT_FALSE(readers.readers().changed());
}

// Rules come to a reader that sleeps.
TEST(ReaderTest, RulesMakeAReportOutOfDate) {
  ReadersRig readers(1);
  readers.start();
  ASSERT_TRUE(readers.take_reports());
  ASSERT_TRUE(eventually([&] { return !readers.readers().changed(); }));
  readers.filters().exchange(parse_filters({"web:RX@%:80"}));
  readers.readers().go_by(readers.filters(), test::locality_of({"192.0.2.2"}));
  ASSERT_TRUE(eventually([&] { return readers.readers().changed(); }));
  ASSERT_TRUE(readers.take_reports());
  EXPECT_EQ(readers.reader(0).report().generation, readers.filters().generation());
}

// Once for all that is queued until the reactor looks, and again for what comes after.
TEST(ReaderTest, OutcomesAreAnnounced) {
  ReadersRig readers(2);
  const Mailbox::Sender sender = readers.mailbox(0).add_sender();
  readers.start();
  Reader& reader = readers.reader(0);
  const auto announced = [&] {
    pollfd polled{reader.outcomes_descriptor(), POLLIN, 0};
    return ::poll(&polled, 1, 0) == 1;
  };
  EXPECT_FALSE(announced());
  for (std::uint16_t port = 1; port <= 2; ++port) {
    const Ends ends{v4(1, port), v4(2, 80)};
    const auto now = read_clocks().wall - 1s;
    ASSERT_TRUE(readers.mailbox(0).send(sender, at(ends.syn(10), now)));
    ASSERT_TRUE(readers.mailbox(0).send(
        sender, at(ends.down(flowtable::tcp_flag::rst | flowtable::tcp_flag::ack, 0, 11), now)));
    ASSERT_TRUE(eventually(announced)) << port;
    reader.take_notice();
    EXPECT_FALSE(announced());
    OutcomeRecord record;
    ASSERT_TRUE(reader.outcomes().pop(record));
    EXPECT_EQ(record.initiator.port, port);
  }
}

// No packet brings it about, and as many attempts are pending afterwards: the second SYN's took the place.
TEST(ReaderTest, AnOutcomeOfTheSweepIsAnnouncedThoughAnotherTakesItsPlace) {
  ReadersRig readers(2);
  const Mailbox::Sender sender = readers.mailbox(0).add_sender();
  readers.start();
  Reader& reader = readers.reader(0);
  const auto now = read_clocks().wall;
  ASSERT_TRUE(readers.mailbox(0).send(sender, at(kIn.syn(10), now - 10s)));
  ASSERT_TRUE(readers.mailbox(0).send(sender, at(kIn.syn(987'654), now)));
  ASSERT_TRUE(eventually([&] {
    pollfd polled{reader.outcomes_descriptor(), POLLIN, 0};
    return ::poll(&polled, 1, 0) == 1;
  }));
  OutcomeRecord record;
  ASSERT_TRUE(reader.outcomes().pop(record));
  EXPECT_EQ(record.outcome.cause, flowtable::Cause::superseded);
  ASSERT_TRUE(readers.reports_until([&] { return readers.sum(Tally::attempts) == 2; }));
  EXPECT_EQ(readers.sum(Tally::pending), 1U);
}

TEST(ReaderTest, ANewLocalityIsPickedUp) {
  ReadersRig readers(2);
  const Mailbox::Sender sender = readers.mailbox(0).add_sender();
  readers.start();
  readers.readers().go_by(readers.filters(), test::locality_of({"192.0.2.1"}));
  // Two reports, as the first may have been under way.
  ASSERT_TRUE(readers.take_reports());
  ASSERT_TRUE(readers.take_reports());
  readers.readers().collect_rules();
  ASSERT_TRUE(readers.mailbox(0).send(sender, at(kIn.syn(10), read_clocks().wall)));
  ASSERT_TRUE(readers.reports_until([&] { return readers.sum(Tally::attempts) == 1; }));
  EXPECT_EQ(readers.reader(0).report().outcomes.filters[1][Tally::attempts], 1U) << "TX now";
}

std::string start_failure(unsigned cpu) {
  const EventFd ready;
  const FilterRegistry filters(parse_filters({}));
  std::vector<std::unique_ptr<Mailbox>> mailboxes;
  mailboxes.push_back(std::make_unique<Mailbox>(1));
  ReaderConfig config = test::reader_config(0);
  config.cpu = cpu;
  std::latch last_mailed(1);
  SocketCloser closer;
  Reader reader(config, {}, reader_rules(filters, Locality()), mailboxes, ready, closer);
  try {
    reader.start(last_mailed);
    while (!reader.started(1s)) {
    }
  } catch (const std::system_error& e) {
    EXPECT_TRUE(last_mailed.try_wait()) << "the others would wait for it";
    EXPECT_EQ(e.code(), std::errc::invalid_argument);
    return e.what();
  }
  return "started";
}

TEST(ReaderTest, ACpuThatDoesNotExistIsNamed) {
  EXPECT_EQ(start_failure(kNoSuchCpu), "pinning reader 0 to CPU 1023: Invalid argument");
  EXPECT_EQ(start_failure(4096), "pinning reader 0 to CPU 4096: Invalid argument");
}

TEST(ReaderTest, RunsOnItsCpu) {
  const EventFd ready;
  const FilterRegistry filters(parse_filters({}));
  std::vector<std::unique_ptr<Mailbox>> mailboxes;
  mailboxes.push_back(std::make_unique<Mailbox>(1));
  cpu_set_t allowed;
  ASSERT_EQ(::sched_getaffinity(0, sizeof allowed, &allowed), 0);
  unsigned cpu = CPU_SETSIZE;
  while (cpu-- > 0 && !CPU_ISSET(cpu, &allowed)) {
  }
  ReaderConfig config = test::reader_config(0);
  config.cpu = cpu;
  std::latch last_mailed(1);
  SocketCloser closer;
  Reader reader(config, {}, reader_rules(filters, Locality()), mailboxes, ready, closer);
  EXPECT_EQ(start_failure(cpu), "started");
  reader.start(last_mailed);
  ASSERT_TRUE(reader.started(60s));
  EXPECT_EQ(reader.cpu(), cpu);
  reader.stop();
}

// Signals are the main thread's: asio waits for them there.
TEST(ReaderTest, AReaderTakesNoSignals) {
  static std::atomic<int> taken;
  static std::atomic<pthread_t> by;
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) {
    by = ::pthread_self();
    ++taken;
  };
  ASSERT_EQ(::sigaction(SIGUSR2, &action, &before), 0);
  {
    ReadersRig readers(2);
    readers.start();
    for (int i = 1; i <= 20; ++i) {
      ::kill(::getpid(), SIGUSR2);
      EXPECT_TRUE(eventually([&] { return taken >= i; }));
      EXPECT_TRUE(::pthread_equal(by, ::pthread_self()));
    }
  }
  ASSERT_EQ(::sigaction(SIGUSR2, &before, nullptr), 0);
}

}  // namespace
}  // namespace tcpeek::engine
