#include "engine/serve/history.h"

#include <algorithm>
#include <span>
#include <utility>

namespace tcpeek::engine {
namespace {

constexpr std::size_t kTotals = 0;
constexpr std::size_t kSeries = 1 + History::kMostFilters;

std::vector<ipc::HistoryMoment> moments_of(const SampleRing& ring,
                                           const std::vector<std::size_t>& places,
                                           const ipc::Snapshot& now) {
  std::vector<ipc::HistoryMoment> moments;
  moments.reserve(places.size());
  for (const std::size_t place : places) {
    const SampleRing::Row& row = ring.row(place);
    moments.push_back({.end = now.time_of(row.end), .span = row.span});
  }
  return moments;
}

std::vector<ipc::HistorySample> samples_of(const SampleRing& ring,
                                           const std::vector<std::size_t>& places,
                                           std::size_t series) {
  std::vector<ipc::HistorySample> samples;
  samples.reserve(places.size());
  for (const std::size_t place : places) samples.push_back(ring.sample(place, series));
  return samples;
}

}  // namespace

History::History()
    : seconds_(kSeries, kSeconds, std::chrono::seconds(1)),
      minutes_(kSeries, kMinutes, std::chrono::minutes(1)),
      series_(kSeries) {
  static_assert(kSeries * ((kSeconds + kMinutes) * sizeof(ipc::HistorySample) + sizeof(Series)) +
                    (kSeconds + kMinutes) * sizeof(SampleRing::Row) <
                kMostBytes);
  series_[kTotals].used = true;
  places_.reserve(kSeries);
}

void History::on_second(const ipc::Snapshot& snapshot) {
  if (!seconds_.due(snapshot.uptime)) return;
  seconds_.begin_row(snapshot.uptime);
  sample(kTotals, snapshot.totals, snapshot.uptime);
  mark_filters_in_force(snapshot);
  sample_filters(snapshot);
  if (minutes_.due(snapshot.uptime)) sample_minute(snapshot.uptime);
}

// Before any gets a place, so that none loses it whose turn comes later.
void History::mark_filters_in_force(const ipc::Snapshot& snapshot) {
  for (Series& series : series_) series.in_force = false;
  for (const ipc::FilterStats& filter : snapshot.filters) {
    if (filter.removed) continue;
    const auto known = places_.find(filter.name);
    if (known != places_.end()) series_[known->second].in_force = true;
  }
}

void History::sample_filters(const ipc::Snapshot& snapshot) {
  std::unordered_set<std::string> not_kept;
  for (const ipc::FilterStats& filter : snapshot.filters) {
    if (filter.removed) continue;
    const std::optional<std::size_t> place = place_for(filter.name);
    if (!place) {
      not_kept.insert(filter.name);
      continue;
    }
    Series& series = series_[*place];
    if (series.expression != filter.expression || series.since != filter.since) {
      series.expression = filter.expression;
      series.since = filter.since;
      // What it counted before it had a place belongs to no interval that is kept.
      series.before = not_kept_.contains(filter.name) ? filter.counts : ipc::Counts{};
    }
    series.in_force = true;
    series.last_in_force = snapshot.uptime;
    sample(*place, filter.counts, snapshot.uptime);
  }
  // One that comes back counts anew.
  for (Series& series : std::span(series_).subspan(1)) {
    if (!series.in_force) series.before = {};
  }
  not_kept_ = std::move(not_kept);
}

std::optional<std::size_t> History::place_for(const std::string& name) {
  if (const auto known = places_.find(name); known != places_.end()) return known->second;
  const auto rank = [](const Series& s) {
    return std::pair(s.in_force ? 2 : s.used ? 1 : 0, s.last_in_force);
  };
  const auto chosen = std::ranges::min_element(series_.begin() + 1, series_.end(), {}, rank);
  if (chosen->in_force) return std::nullopt;
  const auto place = static_cast<std::size_t>(chosen - series_.begin());
  if (chosen->used) {
    places_.erase(chosen->name);
    seconds_.forget(place);
    minutes_.forget(place);
  }
  *chosen = {};
  chosen->name = name;
  chosen->used = true;
  places_.emplace(name, place);
  return place;
}

void History::sample(std::size_t place, const ipc::Counts& now, Uptime at) {
  Series& series = series_[place];
  const ipc::Counts grown = ipc::growth(now, std::exchange(series.before, now));
  series.times.add(grown.health(), at);
  seconds_.put(place, ipc::sample_of(grown));
  ipc::append_growth(series.minute, grown);
  series.in_minute = true;
}

void History::sample_minute(Uptime at) {
  minutes_.begin_row(at);
  for (std::size_t place = 0; place < series_.size(); ++place) {
    Series& series = series_[place];
    if (!std::exchange(series.in_minute, false)) continue;
    minutes_.put(place, ipc::sample_of(series.minute));
    series.minute = {};
  }
}

ipc::HistoryReport History::report(const ipc::Snapshot& now,
                                   std::optional<std::chrono::seconds> back) const {
  const std::optional<Uptime> from =
      back ? std::optional<Uptime>(now.uptime - *back) : std::nullopt;
  const std::vector<std::size_t> seconds = seconds_.places_after(from);
  const std::vector<std::size_t> minutes = minutes_.places_after(from);
  ipc::HistoryReport report;
  report.time = now.taken;
  report.uptime = now.uptime;
  report.stats = stats();
  report.seconds = moments_of(seconds_, seconds, now);
  report.minutes = moments_of(minutes_, minutes, now);
  for (std::size_t place = 0; place < series_.size(); ++place) {
    if (!series_[place].used) continue;
    report.series.push_back(report_series(place, now, seconds, minutes));
  }
  return report;
}

ipc::HistorySeries History::report_series(std::size_t place, const ipc::Snapshot& now,
                                          const std::vector<std::size_t>& seconds,
                                          const std::vector<std::size_t>& minutes) const {
  const Series& series = series_[place];
  return {.totals = place == kTotals,
          .name = series.name,
          .removed = place != kTotals && !series.in_force,
          .times = series.times.told(now),
          .seconds = samples_of(seconds_, seconds, place),
          .minutes = samples_of(minutes_, minutes, place)};
}

ipc::HistoryStats History::stats() const noexcept {
  return {.bytes = memory_bytes(), .filters = places_.size(), .filters_not_kept = not_kept_.size()};
}

std::size_t History::memory_bytes() const noexcept {
  std::size_t names = 0;
  for (const Series& series : series_)
    names += series.name.capacity() + series.expression.capacity();
  return sizeof *this + seconds_.memory_bytes() + minutes_.memory_bytes() +
         series_.capacity() * sizeof(Series) + 2 * names;
}

}  // namespace tcpeek::engine
