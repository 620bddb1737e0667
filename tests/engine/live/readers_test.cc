// All readers as one: starts that are given up or fail, and rules exchanged while they run. Without
// rings: segments come by mail.
#include "engine/live/readers.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "tests/engine/live/readers_fixture.h"
#include "tests/support/seeds.h"

namespace tcpeek::engine {
namespace {

using flowtable::PacketTime;
using flowtable::test::Ends;
using flowtable::test::Packet;
using flowtable::test::v4;
using ipc::Tally;
using test::ReadersRig;
using namespace std::chrono_literals;

constexpr unsigned kNoSuchCpu = 1023;
constexpr std::uint64_t kMillion = 1'000'000;
// Its table, made at once, takes longer than the time after which a start looks for an interrupt.
constexpr std::uint64_t kManySessions = 12 * kMillion;
// Of what would wait for ever, were it wrong.
constexpr auto kDeadline = 300s;

std::size_t entries_of(const char* folder) {
  const auto all = std::filesystem::directory_iterator(folder);
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

std::size_t threads() {
  return entries_of("/proc/self/task");
}

// The kernel wakes the one that joins a thread before it takes the thread out of /proc.
bool only_threads_left(std::size_t count) {
#ifdef TCPEEK_THREAD_SANITIZER
  ++count;  // its own, which it starts with our first
#endif
  return tcpeek::test::eventually([&] { return threads() <= count; });
}

// --- Starts ---

TEST(ReadersTest, AStartThatIsInterruptedEndsThoseThatHaveStarted) {
  const std::size_t before = threads();
  // The first ones have started long before the last has its table.
  ReadersRig readers(4, {}, {}, [](ReaderConfig& config) {
    if (config.id == 3) config.tracker = test::small_tracker(kManySessions);
  });
  int asked = 0;
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_FALSE(readers.readers().start([&] { return ++asked > 0; }));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, kDeadline);
  EXPECT_EQ(asked, 1) << "it is not asked again";
  EXPECT_TRUE(only_threads_left(before));
  readers.stop();
  EXPECT_EQ(readers.sum(Tally::attempts), 0U) << "there are reports all the same";
}

// Whenever it comes: it is one or the other.
TEST(ReadersTest, AnInterruptAtAnyMomentOfTheStart) {
  const std::size_t before = threads();
  unsigned given_up = 0;
  const int rounds = static_cast<int>(std::max<std::uint64_t>(8, tcpeek::test::share_of(30)));
  for (int round = 0; round < rounds; ++round) {
    // The first start is long enough to be interrupted, however fast memory is.
    const std::uint64_t sessions = round == 0 ? kManySessions : kMillion;
    ReadersRig readers(3, {}, {}, [sessions](ReaderConfig& config) {
      config.tracker = test::small_tracker(sessions);
    });
    const auto at = std::chrono::steady_clock::now() + round * 10ms;
    const bool started =
        readers.readers().start([&] { return std::chrono::steady_clock::now() >= at; });
    if (started) {
      EXPECT_TRUE(readers.take_reports());
    } else {
      ++given_up;
      EXPECT_TRUE(only_threads_left(before));
    }
    readers.stop();
  }
  EXPECT_GT(given_up, 0U);
}

TEST(ReadersTest, AStartThatFailsEndsTheOthers) {
  const std::size_t before = threads();
  for (unsigned failing = 0; failing < 3; ++failing) {
    ReadersRig readers(3, {}, {}, [failing](ReaderConfig& config) {
      if (config.id == failing) config.cpu = kNoSuchCpu;
    });
    try {
      static_cast<void>(readers.readers().start([] { return false; }));
      ADD_FAILURE() << "started";
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.what(), fmt::format("pinning reader {} to CPU 1023: Invalid argument", failing));
    }
    EXPECT_TRUE(only_threads_left(before));
    readers.stop();
  }
}

// The one that fails matters more than the interrupt; its neighbour is still making its table.
TEST(ReadersTest, AStartThatFailsWhileOthersAreStarting) {
  ReadersRig readers(2, {}, {}, [](ReaderConfig& config) {
    if (config.id == 0) config.cpu = kNoSuchCpu;
    if (config.id == 1) config.tracker = test::small_tracker(kManySessions);
  });
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_THROW(static_cast<void>(readers.readers().start([] { return true; })), std::system_error);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, kDeadline);
}

// --- Rules exchanged ---

Ends ends_to(std::uint16_t client_port, std::uint16_t server_port) {
  return {v4(1, client_port), v4(2, server_port)};
}

class ExchangeTest : public testing::Test {
 protected:
  void start(const std::vector<std::string>& filters) {
    readers_.emplace(2U, filters);
    sender_.emplace(readers_->mailbox(0).add_sender());
    readers_->start();
  }

  void mail(const Packet& packet) {
    flowtable::Segment segment = packet.segment();
    segment.time = PacketTime(read_clocks().wall);
    ASSERT_TRUE(
        tcpeek::test::eventually([&] { return readers_->mailbox(0).send(*sender_, segment); }));
  }
  void begin(const Ends& ends) { mail(ends.syn(10)); }
  void succeed(const Ends& ends) {
    mail(ends.synack(20, 11));
    mail(ends.ack(11, 21));
  }

  void exchange(const std::vector<std::string>& filters) {
    readers_->filters().exchange(parse_filters(filters));
    readers_->readers().go_by(readers_->filters(), locality());
  }
  static Locality locality() { return test::locality_of({"192.0.2.2", "2001:db8::2"}); }

  // Until all readers go by the latest rules.
  [[nodiscard]] bool adopted() {
    return readers_->reports_until([this] {
      readers_->readers().collect_rules();
      return std::ranges::all_of(readers_->readers().views(), [this](const ReaderView& view) {
        return view.report->generation == readers_->filters().generation();
      });
    });
  }
  [[nodiscard]] bool reported(Tally tally, std::uint64_t count) {
    return readers_->reports_until([&] { return readers_->sum(tally) == count; });
  }
  // Twice: a number is free in the round after the last attempt's end.
  void settle() {
    ASSERT_TRUE(readers_->take_reports());
    readers_->readers().settle(readers_->filters());
    readers_->readers().settle(readers_->filters());
  }

  // By name, whether it is in force or was removed.
  [[nodiscard]] std::uint64_t count(const std::string& name, Tally tally) {
    std::uint64_t sum = 0;
    for (const FilterRegistry::Entry& entry : readers_->filters().entries()) {
      if (entry.filter->name != name) continue;
      for (const ReaderView& view : readers_->readers().views()) {
        sum += view.report->outcomes.filters.at(entry.id)[tally];
      }
    }
    return sum;
  }
  [[nodiscard]] std::size_t removed() {
    return static_cast<std::size_t>(
        std::ranges::count_if(readers_->filters().entries(), &FilterRegistry::Entry::removed));
  }

  std::optional<ReadersRig> readers_;
  std::optional<Mailbox::Sender> sender_;
};

TEST_F(ExchangeTest, AnAttemptEndsWhereItBegan) {
  start({"before:RX@%:80"});
  const Ends first = ends_to(1000, 80);
  begin(first);
  ASSERT_TRUE(reported(Tally::attempts, 1));
  exchange({"after:RX@%:80"});
  ASSERT_TRUE(adopted());
  settle();
  EXPECT_EQ(removed(), 1U) << "an attempt of it has not ended";
  const Ends second = ends_to(1001, 80);
  begin(second);
  succeed(first);
  succeed(second);
  ASSERT_TRUE(reported(Tally::success, 2));
  EXPECT_EQ(count("before", Tally::success), 1U);
  EXPECT_EQ(count("after", Tally::success), 1U);
  EXPECT_EQ(count("after", Tally::attempts), 1U);
  EXPECT_EQ(count("RX", Tally::success), 2U);
  settle();
  EXPECT_EQ(removed(), 0U) << "its last attempt has ended";
}

TEST_F(ExchangeTest, ARemovedFilterStaysWhileAReaderGoesByIt) {
  readers_.emplace(2U, std::vector<std::string>{"before:RX@%:80"});
  exchange({});
  // They have not started: nobody has adopted anything.
  readers_->readers().settle(readers_->filters());
  EXPECT_EQ(removed(), 1U);
  readers_->start();
  ASSERT_TRUE(adopted());
  settle();
  EXPECT_EQ(removed(), 0U);
}

// A number that was given away is another filter's, and begins with nothing.
TEST_F(ExchangeTest, AFreedNumberStartsFromZero) {
  start({"first:RX@%:80"});
  for (std::uint16_t round = 1; round <= 5; ++round) {
    const Ends ends = ends_to(static_cast<std::uint16_t>(1000 + round), 80);
    begin(ends);
    succeed(ends);
    ASSERT_TRUE(reported(Tally::success, round));
    exchange({fmt::format("round{}:RX@%:80", round)});
    ASSERT_TRUE(adopted());
    settle();
    EXPECT_EQ(removed(), 0U);
    EXPECT_EQ(count(fmt::format("round{}", round), Tally::attempts), 0U);
    EXPECT_LE(readers_->filters().id_bound(), 4U) << "numbers are used again";
  }
}

// The first brings arrays for its many filters, and is withdrawn; they come with the others.
TEST_F(ExchangeTest, RoomForFiltersIsKeptWhenRulesAreReplacedBeforeAReaderTakesThem) {
  readers_.emplace(2U, std::vector<std::string>{"a:RX@%:80"});
  exchange({"a:RX@%:80", "b:RX@%:81", "c:RX@%:82", "d:RX@%:83"});
  exchange({"a:RX@%:80", "d:RX@%:83"});
  readers_->readers().go_by(readers_->filters(), locality());
  sender_.emplace(readers_->mailbox(0).add_sender());
  readers_->start();
  ASSERT_TRUE(adopted());
  const Ends ends = ends_to(1000, 83);
  begin(ends);
  succeed(ends);
  ASSERT_TRUE(reported(Tally::success, 1));
  EXPECT_EQ(count("d", Tally::success), 1U);
  EXPECT_EQ(count("a", Tally::attempts), 0U);
  for (const ReaderView& view : readers_->readers().views()) {
    EXPECT_EQ(view.report->outcomes.filters.size(), readers_->filters().id_bound());
  }
}

TEST_F(ExchangeTest, AThousandFiltersAtOnce) {
  start({});
  std::vector<std::string> filters;
  for (unsigned i = 0; i < 1000; ++i) filters.push_back(fmt::format("f{}:RX@%:{}", i, 2000 + i));
  exchange(filters);
  ASSERT_TRUE(adopted());
  for (const std::uint16_t port : std::initializer_list<std::uint16_t>{2000, 2001, 2998}) {
    const Ends ends = ends_to(1000, port);
    begin(ends);
    succeed(ends);
  }
  ASSERT_TRUE(reported(Tally::success, 3));
  std::uint64_t sum = 0;
  for (unsigned i = 0; i < 1000; ++i) sum += count(fmt::format("f{}", i), Tally::success);
  EXPECT_EQ(sum, 3U);
  EXPECT_EQ(count("f998", Tally::success), 1U);
  exchange({});
  ASSERT_TRUE(adopted());
  settle();
  EXPECT_EQ(removed(), 0U);
}

// Of the main thread, which is the one that allocates for an exchange.
std::size_t allocated() {
  return ::mallinfo2().uordblks;
}

TEST_F(ExchangeTest, ThousandsInARowWhilePacketsFlow) {
  constexpr unsigned kExchanges = 3000;
  constexpr unsigned kWarmUp = 500;
  const auto filters = [](unsigned round) {
    std::vector<std::string> names{"always:RX@%:80"};
    for (unsigned i = 0; i <= round % 5; ++i)
      names.push_back(fmt::format("r{}-{}:RX@%:80", round % 11, i));
    return names;
  };
  start(filters(0));
  std::atomic<bool> over{false};
  std::atomic<std::uint64_t> attempts{0};
  std::thread traffic([&] {
    for (std::uint16_t port = 1; !over.load() && port != 65535; ++port) {
      const Ends ends = ends_to(port, 80);
      begin(ends);
      succeed(ends);
      ++attempts;
    }
  });
  std::size_t descriptors = 0;
  std::size_t memory = 0;
  for (unsigned round = 1; round <= kExchanges; ++round) {
    exchange(filters(round));
    if (round % 10 == 0) {
      settle();
      // Packets flow, however seldom their thread is given a processor.
      ASSERT_TRUE(tcpeek::test::eventually([&] { return attempts >= round / 10; }));
    }
    if (round == kWarmUp) {
      descriptors = entries_of("/proc/self/fd");
      memory = allocated();
    }
  }
  const std::size_t memory_after = allocated();
  EXPECT_EQ(entries_of("/proc/self/fd"), descriptors);
  over = true;
  traffic.join();
  EXPECT_LT(memory_after, memory + (std::size_t{1} << 20));
  ASSERT_TRUE(adopted());
  ASSERT_TRUE(reported(Tally::attempts, attempts));
  ASSERT_TRUE(reported(Tally::success, attempts));
  settle();
  EXPECT_EQ(removed(), 0U);
  EXPECT_EQ(count("always", Tally::success), attempts) << "it kept its counts all along";
  for (const ReaderView& view : readers_->readers().views()) {
    for (const ipc::Counts& filter : view.report->outcomes.filters) {
      EXPECT_EQ(filter[Tally::attempts], filter.accounted());
      EXPECT_EQ(filter[Tally::pending], 0U);
    }
  }
}

}  // namespace
}  // namespace tcpeek::engine
