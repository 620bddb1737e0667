// Services that METRICS lists: by port over addresses and readers, sticky, never falling, and not by scanning.
#include "engine/pipeline/service_members.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

#include "engine/filters/address.h"
#include "engine/filters/filter_expression.h"
#include "tests/support/seeds.h"

namespace tcpeek::engine {
namespace {

using flowtable::Cause;
using flowtable::PacketTime;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;
using namespace std::chrono_literals;

constexpr auto kRx = static_cast<std::uint16_t>(Direction::rx);
constexpr auto kTx = static_cast<std::uint16_t>(Direction::tx);
const Times kTimes({}, std::chrono::microseconds(0));

ServiceKey key_at(const char* address, std::uint16_t port, std::uint16_t directions = kRx) {
  return {flowtable::AddressWords::of(parse_address(address)->bytes.data()), port, directions};
}

// One reader's table, and its answers.
class Reader {
 public:
  explicit Reader(std::size_t rows = 4096) : services_(AddressHash::random(), rows) {}

  void succeed(const ServiceKey& key, int times = 1) {
    for (int i = 0; i < times; ++i) services_.succeeded(open(key), at_, kTimes);
  }
  void fail(const ServiceKey& key, int times = 1, Cause cause = Cause::refused) {
    for (int i = 0; i < times; ++i) services_.failed(open(key), cause, at_);
  }
  ServiceTable::Number open(const ServiceKey& key) {
    at_ += 1ms;
    return services_.opened(key, services_.hash_of(key), at_);
  }
  [[nodiscard]] const ServiceTable& services() const { return services_; }

  void answer(const TopQuery& query) {
    report_.ports.begin({query.ports.data(), query.port_count});
    report_.candidates.clear();
    report_.services.clear();
    for (std::size_t number = 1; number < services_.end(); ++number) {
      const Service& row = services_[number];
      if ((row.key.directions & kRx) != 0) {
        report_.ports.add(row);
      } else if (query.with_remote && row.key.directions != 0 && matters(row)) {
        report_.candidates.push_back(
            {{{bytes_of(row.key.address), {}}, row.key.port, row.key.directions},
             {0, 0, row.attempts()}});
      }
    }
    for (std::size_t i = 0; i < query.count; ++i) {
      const TopKey& key = query.keys[i];
      const auto number = services_.find(
          {flowtable::AddressWords::of(key.ends.first.data()), key.port, key.directions});
      report_.services.push_back(number ? TopService{services_[*number], {}} : TopService());
    }
  }
  [[nodiscard]] const TopReport& report() const { return report_; }

 private:
  ServiceTable services_;
  TopReport report_;
  PacketTime at_{1s};
};

// As the reactor does it.
ipc::ServiceMetrics collect(ServiceMembers& members, std::vector<Reader*> readers) {
  std::vector<const TopReport*> reports;
  for (const Reader* reader : readers) reports.push_back(&reader->report());
  do {
    const TopQuery query = members.query();
    for (Reader* reader : readers) reader->answer(query);
  } while (members.update(reports));
  return members.metrics();
}

std::vector<std::uint16_t> ports_of(const ipc::ServiceMetrics& metrics) {
  std::vector<std::uint16_t> ports;
  for (const ipc::ServiceMetric& each : metrics.services) ports.push_back(each.port);
  return ports;
}

TEST(ServiceMembers, APortOfAllAddressesAndReadersIsOneService) {
  Reader first;
  Reader second;
  first.succeed(key_at("192.0.2.1", 443), 3);
  first.fail(key_at("2001:db8::1", 443), 2, Cause::reset);
  second.succeed(key_at("192.0.2.2", 443), 4);
  static_cast<void>(second.open(key_at("192.0.2.1", 443)));
  ServiceMembers members({.local = 10, .remote = 0});
  const ipc::ServiceMetrics metrics = collect(members, {&first, &second});
  ASSERT_EQ(metrics.services.size(), 1U);
  EXPECT_TRUE(metrics.services[0].is_local());
  const ipc::ServiceCounts& counts = metrics.services[0].counts;
  EXPECT_EQ(counts.success, 7U);
  EXPECT_EQ(counts.failures.reset, 2U);
  EXPECT_EQ(counts.pending, 1U);
  EXPECT_EQ(counts.attempts, 10U);
  EXPECT_EQ(metrics.not_listed, 0U);
}

TEST(ServiceMembers, TheFirstToComeStay) {
  Reader reader;
  reader.succeed(key_at("192.0.2.1", 22), 5);
  reader.succeed(key_at("192.0.2.1", 80), 9);
  reader.succeed(key_at("192.0.2.1", 25), 1);
  ServiceMembers members({.local = 2, .remote = 0});
  ipc::ServiceMetrics metrics = collect(members, {&reader});
  EXPECT_THAT(ports_of(metrics), ElementsAre(80, 22));
  EXPECT_EQ(metrics.not_listed, 1U);
  reader.succeed(key_at("192.0.2.1", 443), 1000);
  metrics = collect(members, {&reader});
  EXPECT_THAT(ports_of(metrics), ElementsAre(80, 22));
  EXPECT_EQ(metrics.not_listed, 2U);
}

TEST(ServiceMembers, AScanListsNothing) {
  Reader reader;
  for (std::uint16_t port = 1; port < 2000; ++port) reader.fail(key_at("192.0.2.1", port), 2);
  reader.succeed(key_at("192.0.2.1", 40'000), 3);  // a transfer's port
  reader.succeed(key_at("192.0.2.1", 8080), 1);
  reader.fail(key_at("192.0.2.1", 8081), 20);  // down, and missed
  reader.succeed(key_at("192.0.2.1", 50'000),
                 20);  // of the ephemeral ones, but used like a service
  ServiceMembers members({.local = 100, .remote = 0});
  EXPECT_THAT(ports_of(collect(members, {&reader})), UnorderedElementsAre(8080, 8081, 50'000));
}

TEST(ServiceMembers, RemoteServicesOnlyIfAskedFor) {
  Reader reader;
  reader.succeed(key_at("192.0.2.1", 80));
  reader.succeed(key_at("2001:db8::5", 5432, kTx), 2);
  reader.succeed(key_at("198.51.100.1", 5432, kTx), 1);
  reader.fail(key_at("198.51.100.2", 5432, kTx), 1);
  reader.succeed(key_at("198.51.100.9", 80, 0), 5);  // neither end is local
  ServiceMembers local({.local = 5, .remote = 0});
  EXPECT_THAT(ports_of(collect(local, {&reader})), ElementsAre(80));
  ServiceMembers both({.local = 5, .remote = 5});
  const ipc::ServiceMetrics metrics = collect(both, {&reader});
  ASSERT_EQ(metrics.services.size(), 3U);
  EXPECT_EQ(metrics.services[1].address, "2001:db8::5");
  EXPECT_EQ(metrics.services[1].counts.success, 2U);
  EXPECT_EQ(metrics.services[2].address, "198.51.100.1");
  ServiceMembers none({.local = 0, .remote = 0});
  EXPECT_FALSE(none.any_wanted());
}

// A small table gives rows away all the time; a member's counts never fall, and never exceed what there was.
TEST(ServiceMembers, CountsNeverFall) {
  tcpeek::test::for_each_seed(30, [](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    Reader reader(64);
    ServiceMembers members({.local = 8, .remote = 0});
    std::map<std::uint16_t, ipc::ServiceCounts> shown;
    std::map<std::uint16_t, std::uint64_t> true_successes;
    for (int round = 0; round < 100; ++round) {
      for (int i = 0; i < 40; ++i) {
        const auto port = static_cast<std::uint16_t>(1 + random() % 200);
        if (random() % 3 == 0) {
          reader.fail(key_at("192.0.2.1", port));
        } else {
          reader.succeed(key_at("192.0.2.1", port));
          ++true_successes[port];
        }
      }
      for (const ipc::ServiceMetric& each : collect(members, {&reader}).services) {
        ipc::ServiceCounts& before = shown[each.port];
        ASSERT_GE(each.counts.success, before.success);
        ASSERT_GE(each.counts.failures.refused, before.failures.refused);
        ASSERT_GE(each.counts.attempts, before.attempts);
        ASSERT_LE(each.counts.success, true_successes[each.port]);
        before = each.counts;
      }
    }
    ASSERT_EQ(shown.size(), 8U);
    ASSERT_GT(reader.services().displaced(), 0U);
  });
}

// The reader's own answers are those of a plain reading of its table.
TEST(PortSums, AreWhatAMapSays) {
  tcpeek::test::for_each_seed(50, [](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    Reader reader;
    PortSums sums;
    for (int again = 0; again < 3; ++again) {
      for (int i = 0; i < 300; ++i) {
        const auto port = static_cast<std::uint16_t>(32'700 + random() % 100);
        const char* address = random() % 2 == 0 ? "192.0.2.1" : "192.0.2.2";
        if (random() % 4 == 0) {
          reader.fail(key_at(address, port));
        } else {
          reader.succeed(key_at(address, port));
        }
      }
      const std::vector<std::uint16_t> asked{32'701, 32'790, 9};
      sums.begin(asked);
      std::map<std::uint16_t, std::uint64_t> expected{{32'701, 0}, {32'790, 0}, {9, 0}};
      for (std::size_t number = 1; number < reader.services().end(); ++number) {
        const Service& row = reader.services()[number];
        sums.add(row);
        if (matters(row) || expected.contains(row.key.port))
          expected[row.key.port] += row.attempts();
      }
      ASSERT_EQ(sums.ports().size(), expected.size());
      for (std::size_t i = 0; i < asked.size(); ++i) ASSERT_EQ(sums.ports()[i].port, asked[i]);
      for (const PortCounts& each : sums.ports()) {
        ASSERT_EQ(each.counts.attempts, expected.at(each.port)) << each.port;
      }
    }
  });
}

}  // namespace
}  // namespace tcpeek::engine
