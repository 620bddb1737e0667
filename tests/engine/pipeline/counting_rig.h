// A tracker with the engine's counter as its observer, fed by hand: what a reader has without its
// rings.
//
// 192.0.2.2 and 2001:db8::2 are local, interface 9 is loopback.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "engine/filters/filter_expression.h"
#include "engine/pipeline/outcome_counter.h"
#include "flowtable/tracker.h"
#include "tests/support/secret.h"
#include "tests/support/segments.h"

namespace tcpeek::engine::test {

inline constexpr std::uint32_t kLoopback = 9;

inline Locality locality_of(const std::vector<std::string>& addresses) {
  std::vector<Address> parsed;
  for (const std::string& text : addresses) parsed.push_back(parse_address(text).value());
  return {std::move(parsed), std::vector<Prefix>(), std::vector<std::uint32_t>{kLoopback}};
}

inline flowtable::TrackerConfig small_tracker(std::uint64_t capacity = 100) {
  flowtable::TrackerConfig config;
  config.capacity = capacity;
  config.secret = flowtable::test::secret_of(7);
  return config;
}

// Its timeline says of every tracker time that it is a day earlier than it was.
inline PacketTimeline a_day_behind() {
  using namespace std::chrono_literals;
  PacketTimeline timeline({1'700'000'000s, 100s});
  timeline.observe({1'700'000'000s - 24h, 100s});
  return timeline;
}

struct CountingRig {
  explicit CountingRig(const std::vector<std::string>& expressions = {}, bool listening = true,
                       const flowtable::TrackerConfig& config = small_tracker(),
                       TopTables::Recent recent = TopTables::Recent::two_windows)
      : filters(parse_filters(expressions)),
        rules(reader_rules(filters, locality_of({"192.0.2.2", "2001:db8::2"}))),
        queue(listening),
        counter(rules, queue, timeline, recent),
        tracker(config, counter) {}

  void see(const flowtable::test::Packet& packet) { tracker.on_segment(packet.segment()); }

  // As the reactor and the reader do it.
  void go_by(const Locality& locality) {
    rules.collect();
    rules.offer(reader_rules(filters, locality));
    counter.pick_up_rules();
  }
  void exchange(const std::vector<std::string>& expressions) {
    filters.exchange(parse_filters(expressions));
    go_by(rules.current().rules.locality());
  }

  [[nodiscard]] OutcomeCounts counts() const { return counter.counts(); }
  [[nodiscard]] ipc::Counts totals() const { return counts().totals; }
  // By filter number: RX, TX, then as given to the constructor, exclusions left out.
  [[nodiscard]] ipc::Counts filter(std::size_t i) const { return counts().filters.at(i); }
  [[nodiscard]] std::uint64_t attempts(std::size_t i) const {
    return filter(i)[ipc::Tally::attempts];
  }

  [[nodiscard]] std::vector<OutcomeRecord> told() {
    std::vector<OutcomeRecord> all;
    for (OutcomeRecord one; queue.pop(one);) all.push_back(one);
    return all;
  }

  FilterRegistry filters;
  Handover<ReaderRules> rules;
  OutcomeQueue queue;
  PacketTimeline timeline = a_day_behind();
  OutcomeCounter counter;
  flowtable::Tracker<OutcomeCounter> tracker;
};

}  // namespace tcpeek::engine::test
