// Reads metrics as strictly as their forms are written, and snapshots with much in them.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

#include "ipc/metrics.h"

namespace tcpeek::ipc::test {

struct ReadMetrics {
  std::map<std::string, std::string> values;    // by name and labels, as written
  std::map<std::string, std::string> examples;  // likewise
  std::map<std::string, std::string> types;     // by family

  [[nodiscard]] std::string at(const std::string& series) const {
    const auto found = values.find(series);
    return found == values.end() ? "none" : found->second;
  }
};

// The end of `{...}` that begins at `begin`: quotes hold braces.
inline std::size_t end_of_labels(std::string_view line, std::size_t begin) {
  bool quoted = false;
  for (std::size_t i = begin; i < line.size(); ++i) {
    if (quoted && line[i] == '\\') {
      EXPECT_LT(i + 1, line.size());
      EXPECT_NE(std::string_view("\\\"n").find(line[i + 1]), std::string_view::npos) << line;
      ++i;
    } else if (line[i] == '"') {
      quoted = !quoted;
    } else if (line[i] == '}' && !quoted) {
      return i + 1;
    }
  }
  ADD_FAILURE() << "no end of labels: " << line;
  return line.size();
}

// Every line is one of a family's head, a sample of the family that was named last, or the end; no family and
// no series comes twice.
inline ReadMetrics read_metrics(const std::string& text, MetricsForm form) {
  ReadMetrics read;
  std::istringstream lines(text);
  std::string family;
  bool ended = false;
  EXPECT_TRUE(text.ends_with('\n'));
  for (std::string line; std::getline(lines, line);) {
    EXPECT_FALSE(ended) << line;
    if (line == "# EOF") {
      ended = true;
    } else if (line.starts_with("# TYPE ")) {
      std::istringstream words(line.substr(7));
      std::string type;
      words >> family >> type;
      EXPECT_TRUE(read.types.emplace(family, type).second) << "twice: " << family;
    } else if (line.starts_with("# ")) {
      const std::string_view rest = std::string_view(line).substr(7);
      EXPECT_TRUE(line.starts_with("# HELP ") || line.starts_with("# UNIT ")) << line;
      EXPECT_EQ(rest.substr(0, rest.find(' ')), family);
    } else {
      const std::size_t brace = line.find_first_of("{ ");
      const std::size_t end = line[brace] == '{' ? end_of_labels(line, brace) : brace;
      EXPECT_TRUE(line.starts_with(family)) << line;
      EXPECT_EQ(line[end], ' ') << line;
      const std::string series = line.substr(0, end);
      const std::string rest = line.substr(end + 1);
      const std::size_t example = rest.find(" # ");
      EXPECT_TRUE(read.values.emplace(series, rest.substr(0, example)).second) << "twice: " << line;
      if (example != std::string::npos) read.examples[series] = rest.substr(example + 3);
    }
  }
  EXPECT_EQ(ended, form == MetricsForm::openmetrics);
  return read;
}

// Filters and services as many as that, with each count another number.
inline Snapshot full_snapshot(std::size_t filters) {
  Snapshot snapshot;
  snapshot.version = "2.0.0";
  std::uint64_t next = 1'000'000;
  for (std::size_t i = 0; i < filters; ++i) {
    FilterStats filter;
    filter.name = "filter-" + std::to_string(i);
    for (std::uint64_t& value : filter.counts.values) value = next += 7919;
    for (std::int64_t us = 20; us < 60'000'000; us = us * 5 / 4) {
      filter.counts.latency.add(std::chrono::microseconds(us + static_cast<std::int64_t>(i)));
      filter.counts.responder_leg.add(std::chrono::microseconds(us));
      filter.counts.initiator_leg.add(std::chrono::microseconds(us / 2));
    }
    filter.health.emplace().is = HealthState::ok;
    filter.health->since = std::chrono::system_clock::time_point(std::chrono::hours(490'000 + i));
    snapshot.filters.push_back(std::move(filter));
  }
  snapshot.interfaces.push_back({"eth0", "EN10MB", InterfaceState::up, 3, 2, 1});
  snapshot.readers.push_back({.id = 0, .packets = 5, .capacity = 9});
  snapshot.http.emplace();
  for (std::size_t i = 0; i < Queues::kMost; ++i) {
    snapshot.queues.ports.push_back({.address = {},
                                     .port = static_cast<std::uint16_t>(60'000 + i),
                                     .suspected = true,
                                     .verdict = QueueVerdict::confirmed,
                                     .unanswered = 1'000'000 + i,
                                     .backlog_now = 4097,
                                     .backlog_max = 4096});
  }
  snapshot.queues.counters_known = true;
  return snapshot;
}

inline ServiceMetrics full_services(std::size_t services) {
  ServiceMetrics metrics;
  for (std::size_t i = 0; i < services; ++i) {
    ServiceMetric service;
    service.port = static_cast<std::uint16_t>(1000 + i);
    service.counts = {.attempts = i * 1009, .pending = i, .success = i * 997};
    service.counts.failures.refused = i * 11;
    service.health = {.is = HealthState::degraded,
                      .since = std::chrono::system_clock::time_point(std::chrono::hours(490'000))};
    metrics.services.push_back(service);
  }
  return metrics;
}

}  // namespace tcpeek::ipc::test
