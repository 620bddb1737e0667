// What is kept of a row of snapshots, against a model that knows what was counted when.
#include "engine/serve/history.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "tests/support/seeds.h"

namespace tcpeek::engine {
namespace {

using ipc::Counts;
using ipc::HistoryReport;
using ipc::HistorySample;
using ipc::HistorySeries;
using ipc::Snapshot;
using ipc::Tally;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

// A filter as it counts, from its beginning on.
struct Filter {
  std::string name;
  std::string expression;
  Counts counts;
  Counts unsampled;  // since the last row
};

Snapshot snapshot_at(milliseconds uptime, const Counts& totals,
                     const std::vector<Filter>& filters) {
  Snapshot snapshot;
  snapshot.uptime = uptime;
  snapshot.taken = std::chrono::system_clock::time_point(1000h) + uptime;
  snapshot.totals = totals;
  for (const Filter& filter : filters) {
    snapshot.filters.push_back(
        {.name = filter.name, .expression = filter.expression, .counts = filter.counts});
  }
  return snapshot;
}

const HistorySeries* find(const HistoryReport& report, const std::string& name) {
  for (const HistorySeries& series : report.series) {
    if (series.kind == ipc::HistoryKind::filter && series.name == name) return &series;
  }
  return nullptr;
}

// ---- against a model ----

constexpr std::array kGauges{Tally::pending, Tally::retrying};

struct ModelRow {
  milliseconds end{0};
  milliseconds span{0};
  std::map<std::string, HistorySample> samples;  // "" are the totals
};

// Tells the same by keeping everything.
class Model {
 public:
  void on_second(milliseconds uptime, Counts& totals, std::vector<Filter>& filters) {
    if (uptime - last_second_ < 500ms) return;
    std::set<std::string> in_force;
    for (const Filter& filter : filters) in_force.insert(filter.name);
    ModelRow row{uptime, uptime - last_second_, {}};
    last_second_ = uptime;
    take("", totals, row);
    std::set<std::string> unseen;
    for (Filter& filter : filters) {
      if (kept_.contains(filter.name) || make_room(in_force)) {
        // What it counted before it had a place belongs to no interval that is kept.
        if (unseen_.contains(filter.name)) clear(filter.unsampled);
        kept_[filter.name] = uptime;
        take(filter.name, filter.unsampled, row);
      } else {
        clear(filter.unsampled);
        unseen.insert(filter.name);
      }
    }
    unseen_ = unseen;
    seconds_.push_back(row);
    if (uptime - last_minute_ < 59'500ms) return;
    ModelRow minute{uptime, uptime - last_minute_, {}};
    last_minute_ = uptime;
    for (auto& [name, counts] : sums_) minute.samples[name] = ipc::sample_of(counts);
    sums_.clear();
    minutes_.push_back(minute);
  }

  void check(const HistoryReport& report, std::optional<std::chrono::seconds> back) const {
    std::set<std::string> names;
    for (const HistorySeries& series : report.series) names.insert(series.name);
    std::set<std::string> expected{""};
    for (const auto& [name, when] : kept_) expected.insert(name);
    ASSERT_EQ(names, expected);
    ASSERT_EQ(report.stats.filters, kept_.size());
    ASSERT_EQ(report.stats.filters_not_kept, unseen_.size());
    check_rows(report, back, seconds_, 600, report.seconds, &HistorySeries::seconds);
    check_rows(report, back, minutes_, 1440, report.minutes, &HistorySeries::minutes);
  }

 private:
  void take(const std::string& name, Counts& unsampled, ModelRow& row) {
    row.samples[name] = ipc::sample_of(unsampled);
    Counts& sum = sums_[name];
    sum += unsampled;
    for (const Tally gauge : kGauges) sum[gauge] = unsampled[gauge];
    clear(unsampled);
  }

  // All but the gauges.
  static void clear(Counts& unsampled) {
    Counts cleared;
    for (const Tally gauge : kGauges) cleared[gauge] = unsampled[gauge];
    unsampled = cleared;
  }

  bool make_room(const std::set<std::string>& in_force) {
    if (kept_.size() < History::kMostFilters) return true;
    std::string oldest;
    for (const auto& [name, when] : kept_) {
      if (in_force.contains(name)) continue;
      if (oldest.empty() || when < kept_[oldest]) oldest = name;
    }
    if (oldest.empty()) return false;
    kept_.erase(oldest);
    sums_.erase(oldest);
    for (auto* rows : {&seconds_, &minutes_}) {
      for (ModelRow& row : *rows) row.samples.erase(oldest);
    }
    return true;
  }

  static void check_rows(const HistoryReport& report, std::optional<std::chrono::seconds> back,
                         const std::vector<ModelRow>& all, std::size_t most,
                         const std::vector<ipc::HistoryMoment>& moments,
                         std::vector<HistorySample> HistorySeries::*samples) {
    std::vector<ModelRow> rows(all.end() - static_cast<std::ptrdiff_t>(std::min(most, all.size())),
                               all.end());
    std::erase_if(rows,
                  [&](const ModelRow& row) { return back && report.uptime - row.end >= *back; });
    ASSERT_EQ(moments.size(), rows.size());
    for (const HistorySeries& series : report.series) {
      ASSERT_EQ((series.*samples).size(), rows.size());
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto expected = rows[i].samples.find(series.name);
        const HistorySample& told = (series.*samples)[i];
        ASSERT_EQ(told.kept, expected != rows[i].samples.end()) << series.name << " row " << i;
        if (told.kept) {
          ASSERT_EQ(told, expected->second) << series.name << " row " << i;
        }
      }
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      ASSERT_EQ(report.time - moments[i].end, report.uptime - rows[i].end);
      ASSERT_EQ(moments[i].span, rows[i].span);
    }
  }

  milliseconds last_second_{0};
  milliseconds last_minute_{0};
  std::map<std::string, milliseconds> kept_;  // when it was in force last
  std::map<std::string, Counts> sums_;
  std::set<std::string> unseen_;  // in force, without a place
  std::vector<ModelRow> seconds_;
  std::vector<ModelRow> minutes_;
};

void grow(std::mt19937_64& random, Counts& counts, Counts& unsampled) {
  if (random() % 3 == 0) {
    for (std::size_t i = 0; i < ipc::kTallies; ++i) {
      const std::uint64_t more = random() % 4 == 0 ? random() % 6000 : random() % 3;
      counts.values[i] += more;
      unsampled.values[i] += more;
    }
    const ipc::LatencyHistogram::Sample sample(std::chrono::microseconds(random() % 100'000));
    counts.latency.add(sample);
    unsampled.latency.add(sample);
  }
  if (random() % 500 == 0) {
    counts[Tally::attempts] += std::uint64_t{1} << 33;
    unsampled[Tally::attempts] += std::uint64_t{1} << 33;
  }
  for (const Tally gauge : kGauges) counts[gauge] = unsampled[gauge] = random() % 3;
}

milliseconds random_step(std::mt19937_64& random) {
  const std::uint64_t kind = random() % 40;
  if (kind == 0) return milliseconds(random() % 500);
  if (kind == 1) return milliseconds(random() % 200'000);
  return milliseconds(950 + random() % 100);
}

TEST(HistoryModel, TellsTheSame) {
  tcpeek::test::for_each_seed(6, [](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const std::size_t usual_filters = random() % 2 == 0 ? 3 : 66;
    History history;
    Model model;
    Counts totals;
    Counts totals_unsampled;
    std::vector<Filter> filters;
    milliseconds uptime{0};
    int names = 0;
    const int steps = 200 + static_cast<int>(random() % 1200);
    for (int step = 0; step < steps && !testing::Test::HasFatalFailure(); ++step) {
      uptime += random_step(random);
      if (random() % 20 == 0 && filters.size() > usual_filters / 2) {
        filters.erase(filters.begin() + static_cast<std::ptrdiff_t>(random() % filters.size()));
        // A row in which it is not there: else it is the same filter.
        uptime += 500ms;
        history.on_second(snapshot_at(uptime, totals, filters));
        model.on_second(uptime, totals_unsampled, filters);
      }
      while (filters.size() < usual_filters || random() % 40 == 0) {
        const auto number = random() % 3 == 0 ? random() % 90 : static_cast<std::uint64_t>(names++);
        const std::string name = "f" + std::to_string(number);
        const bool taken =
            std::ranges::any_of(filters, [&](const Filter& filter) { return filter.name == name; });
        if (!taken) filters.push_back({name, "a", {}, {}});
      }
      grow(random, totals, totals_unsampled);
      for (Filter& filter : filters) grow(random, filter.counts, filter.unsampled);
      const Snapshot snapshot = snapshot_at(uptime, totals, filters);
      history.on_second(snapshot);
      model.on_second(uptime, totals_unsampled, filters);
      if (step % 97 != 0 && step + 1 != steps) continue;
      for (const auto back : {std::optional<std::chrono::seconds>(),
                              std::optional<std::chrono::seconds>(1 + random() % 700)}) {
        ASSERT_NO_FATAL_FAILURE(model.check(history.report(snapshot, back), back));
      }
    }
  });
}

// ---- rules one by one ----

TEST(History, IsWithinItsBound) {
  const History history;
  EXPECT_LE(history.memory_bytes(), History::kMostBytes);
  EXPECT_GT(history.memory_bytes(), 4'000'000U);
  EXPECT_EQ(history.stats().bytes, history.memory_bytes());
}

TEST(History, AskingForTheSameMomentTwiceIsOneRow) {
  History history;
  Filter web{"web", "x", {}, {}};
  web.counts[Tally::attempts] = 1;
  history.on_second(snapshot_at(1s, {}, {web}));
  history.on_second(snapshot_at(1s, {}, {web}));
  web.counts[Tally::attempts] = 3;
  history.on_second(snapshot_at(1400ms, {}, {web}));
  history.on_second(snapshot_at(2400ms, {}, {web}));
  const HistoryReport report = history.report(snapshot_at(2400ms, {}, {web}), std::nullopt);
  ASSERT_EQ(report.seconds.size(), 2U);
  EXPECT_EQ(report.seconds[1].span, 1400ms);
  EXPECT_EQ(find(report, "web")->seconds[1].attempts, 2U) << "nothing is lost";
}

TEST(History, AReactorThatWasBusyMakesOneLongInterval) {
  History history;
  Filter web{"web", "x", {}, {}};
  history.on_second(snapshot_at(1s, {}, {web}));
  web.counts[Tally::success] = 7;
  history.on_second(snapshot_at(400s, {}, {web}));
  const HistoryReport report = history.report(snapshot_at(400s, {}, {web}), std::nullopt);
  ASSERT_EQ(report.seconds.size(), 2U);
  EXPECT_EQ(report.seconds[1].span, 399s);
  EXPECT_EQ(find(report, "web")->seconds[1].success, 7U);
  ASSERT_EQ(report.minutes.size(), 1U);
  EXPECT_EQ(report.minutes[0].span, 400s);
}

TEST(History, AFilterExchangedUnderItsNameCountsAnew) {
  History history;
  Filter web{"web", "old", {}, {}};
  web.counts[Tally::attempts] = 5;
  history.on_second(snapshot_at(1s, {}, {web}));
  web.expression = "new";
  web.counts[Tally::attempts] = 7;
  history.on_second(snapshot_at(2s, {}, {web}));
  const HistoryReport report = history.report(snapshot_at(2s, {}, {web}), std::nullopt);
  EXPECT_EQ(find(report, "web")->seconds[0].attempts, 5U);
  EXPECT_EQ(find(report, "web")->seconds[1].attempts, 7U);
}

// Within a second: no snapshot was without it.
TEST(History, AFilterThatWentAndCameBackUnnoticedCountsAnew) {
  History history;
  Filter web{"web", "x", {}, {}};
  web.counts[Tally::attempts] = 5;
  history.on_second(snapshot_at(1s, {}, {web}));
  web.counts[Tally::attempts] = 7;
  Snapshot later = snapshot_at(2s, {}, {web});
  later.filters[0].since = 3;
  history.on_second(later);
  EXPECT_EQ(find(history.report(later, std::nullopt), "web")->seconds[1].attempts, 7U);
}

TEST(History, ARemovedFilterKeepsItsSamplesAndGetsNoNewOnes) {
  History history;
  Filter web{"web", "x", {}, {}};
  web.counts[Tally::attempts] = 5;
  history.on_second(snapshot_at(1s, {}, {web}));
  Snapshot later = snapshot_at(2s, {}, {web});
  later.filters[0].removed = true;
  history.on_second(later);
  const HistoryReport report = history.report(later, std::nullopt);
  const HistorySeries* series = find(report, "web");
  ASSERT_NE(series, nullptr);
  EXPECT_TRUE(series->removed);
  EXPECT_TRUE(series->seconds[0].kept);
  EXPECT_FALSE(series->seconds[1].kept);
}

TEST(History, KeepsTheFirst64AndCountsTheOthers) {
  History history;
  std::vector<Filter> filters;
  for (int i = 0; i < 70; ++i) filters.push_back({"f" + std::to_string(i), "x", {}, {}});
  history.on_second(snapshot_at(1s, {}, filters));
  EXPECT_EQ(history.stats().filters, 64U);
  EXPECT_EQ(history.stats().filters_not_kept, 6U);
  filters.erase(filters.begin());
  history.on_second(snapshot_at(2s, {}, filters));
  EXPECT_EQ(history.stats().filters_not_kept, 5U);
  const HistoryReport report = history.report(snapshot_at(2s, {}, filters), std::nullopt);
  EXPECT_EQ(find(report, "f0"), nullptr) << "its place was needed";
  EXPECT_NE(find(report, "f64"), nullptr);
  EXPECT_EQ(find(report, "f65"), nullptr);
}

TEST(History, ADayOfMinutesAndTenMinutesOfSeconds) {
  History history;
  Counts totals;
  milliseconds uptime{0};
  const auto feed = [&](std::chrono::seconds after) {
    uptime += after;
    totals[Tally::attempts] += static_cast<std::uint64_t>(after.count());
    history.on_second(snapshot_at(uptime, totals, {}));
  };
  for (int minute = 0; minute < 1500; ++minute) feed(60s);
  for (int second = 0; second < 660; ++second) feed(1s);
  const Snapshot now = snapshot_at(uptime, totals, {});
  const HistoryReport report = history.report(now, std::nullopt);
  ASSERT_EQ(report.seconds.size(), 600U);
  ASSERT_EQ(report.minutes.size(), 1440U);
  for (const HistorySample& sample : report.series[0].seconds) EXPECT_EQ(sample.attempts, 1U);
  for (const HistorySample& sample : report.series[0].minutes) EXPECT_EQ(sample.attempts, 60U);
  EXPECT_EQ(history.report(now, 60s).seconds.size(), 60U);
  EXPECT_EQ(history.report(now, 3600s).minutes.size(), 60U);
}

TEST(History, TheWallClockMayBeSet) {
  History history;
  history.on_second(snapshot_at(1s, {}, {}));
  Snapshot later = snapshot_at(2s, {}, {});
  later.taken -= 5h;
  history.on_second(later);
  const HistoryReport report = history.report(later, std::nullopt);
  EXPECT_EQ(report.seconds[0].end, later.taken - 1s);
  EXPECT_EQ(report.seconds[1].end, later.taken);
}

TEST(History, TellsSinceWhenEachSeriesFails) {
  History history;
  Filter web{"web", "x", {}, {}};
  Filter db{"db", "x", {}, {}};
  web.counts[Tally::success] = 1;
  history.on_second(snapshot_at(1s, web.counts, {web, db}));
  web.counts[Tally::refused] = 1;
  db.counts[Tally::refused] = 1;
  history.on_second(snapshot_at(2s, web.counts, {web, db}));
  web.counts[Tally::aborted] = 1;
  const Snapshot now = snapshot_at(3s, web.counts, {web, db});
  history.on_second(now);
  const HistoryReport report = history.report(now, std::nullopt);
  EXPECT_EQ(report.series[0].times.failing_since, now.taken - 1s);
  EXPECT_EQ(find(report, "web")->times.failing_since, now.taken - 1s);
  EXPECT_EQ(find(report, "web")->times.last_failure, now.taken - 1s);
  EXPECT_EQ(find(report, "web")->times.last_success, now.taken - 2s);
  EXPECT_EQ(find(report, "db")->times.failing_since, std::nullopt);
  EXPECT_EQ(find(report, "db")->times.last_failure, now.taken - 1s);
  web.expression = "another";
  const Snapshot exchanged = snapshot_at(4s, web.counts, {web, db});
  history.on_second(exchanged);
  const HistoryReport anew = history.report(exchanged, std::nullopt);
  EXPECT_NE(find(anew, "web")->times.last_failure, now.taken - 1s) << "that was another filter's";
}

}  // namespace
}  // namespace tcpeek::engine
