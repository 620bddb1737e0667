// Readers without rings: what a reader does with mail, reports and its end needs no capture and
// no privilege.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/live/mailbox.h"
#include "engine/live/readers.h"
#include "tests/engine/pipeline/counting_rig.h"
#include "tests/support/net_namespace.h"

namespace tcpeek::engine::test {

inline ring::SteeringKey test_steering() {
  return ring::SteeringKey::from({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344});
}

inline ReaderConfig reader_config(unsigned id) {
  ReaderConfig config;
  config.id = id;
  config.tracker = small_tracker(1000);
  config.steering = test_steering();
  config.queue_outcomes = true;
  config.start = read_clocks();
  return config;
}

class ReadersRig {
 public:
  using Sources = std::vector<std::vector<FramedSocket>>;

  using Adjust = std::function<void(ReaderConfig&)>;

  // Mailboxes have room for one sender more, from outside.
  explicit ReadersRig(
      unsigned count, const std::vector<std::string>& filters = {}, Sources sources = {},
      const Adjust& adjust = [](ReaderConfig&) {})
      : filters_(parse_filters(filters)),
        readers_(configs(count, adjust), with_size(std::move(sources), count), filters_,
                 locality_of({"192.0.2.2", "2001:db8::2"}), closer_, mailboxes(count)) {}

  void start() {
    ASSERT_TRUE(readers_.start([] { return false; }));
  }
  void stop() { readers_.stop(); }

  // Asks all for a report; false if one does not come.
  [[nodiscard]] bool take_reports() {
    readers_.request_reports();
    return tcpeek::test::eventually([&] { return readers_.reports_ready(); });
  }

  // Reports until they are as wanted; false if that never comes.
  template <class Condition>
  [[nodiscard]] bool reports_until(Condition&& condition) {
    return tcpeek::test::eventually([&] { return take_reports() && condition(); });
  }

  // A sum over all reports.
  [[nodiscard]] std::uint64_t sum(ipc::Tally tally) const {
    std::uint64_t total = 0;
    for (const ReaderView& view : readers_.views()) total += view.report->outcomes.totals[tally];
    return total;
  }
  [[nodiscard]] std::uint64_t sum(std::uint64_t ReaderReport::*member) const {
    std::uint64_t total = 0;
    for (const ReaderView& view : readers_.views()) total += view.report->*member;
    return total;
  }

  [[nodiscard]] Readers& readers() { return readers_; }
  [[nodiscard]] const Readers& readers() const { return readers_; }
  [[nodiscard]] Reader& reader(std::size_t i) { return readers_[i]; }
  [[nodiscard]] Mailbox& mailbox(std::size_t i) { return *mailboxes_.at(i); }
  [[nodiscard]] std::span<OutcomeQueue* const> outcomes() const { return readers_.outcomes(); }
  [[nodiscard]] FilterRegistry& filters() { return filters_; }

 private:
  static std::vector<ReaderConfig> configs(unsigned count, const Adjust& adjust) {
    std::vector<ReaderConfig> all;
    for (unsigned i = 0; i < count; ++i) adjust(all.emplace_back(reader_config(i)));
    return all;
  }
  static Sources with_size(Sources sources, unsigned count) {
    sources.resize(count);
    return sources;
  }
  Readers::Mailboxes mailboxes(unsigned count) {
    auto made = Readers::mailboxes_for(count, count + 1);
    for (const auto& mailbox : made) mailboxes_.push_back(mailbox.get());
    return made;
  }

  std::vector<Mailbox*> mailboxes_;  // the readers'
  FilterRegistry filters_;
  SocketCloser closer_;
  Readers readers_;
};

}  // namespace tcpeek::engine::test
