// Readers without rings: what a reader does with letters, reports and its end needs no capture and
// no privilege.
#pragma once

#include <latch>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/event_fd.h"
#include "engine/filters/filter_matcher.h"
#include "engine/live/mailbox.h"
#include "engine/live/reader.h"
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
  config.tell_outcomes = true;
  config.start = read_clocks();
  return config;
}

class Readers {
 public:
  using Sources = std::vector<std::vector<FramedSocket>>;

  explicit Readers(unsigned count, const std::vector<std::string>& filters = {},
                   Sources sources = {})
      : matcher_(parse_filters(filters)), last_sent_(count), sources_(std::move(sources)) {
    sources_.resize(count);
    for (unsigned i = 0; i < count; ++i) mailboxes_.push_back(std::make_unique<Mailbox>(count + 1));
    for (unsigned i = 0; i < count; ++i) add(reader_config(i));
  }
  ~Readers() { stop(); }
  Readers(const Readers&) = delete;
  Readers& operator=(const Readers&) = delete;

  void start() {
    for (const auto& reader : readers_) {
      reader->start(last_sent_);
      ++started_;
    }
  }

  // Those that never started do not hold up the others.
  void stop() {
    if (started_ < readers_.size()) {
      last_sent_.count_down(static_cast<std::ptrdiff_t>(readers_.size() - started_));
      started_ = readers_.size();
    }
    for (const auto& reader : readers_) reader->stop();
    for (const auto& reader : readers_) reader->join();
  }

  // Asks all for a report; false if one does not come.
  [[nodiscard]] bool take_reports() {
    for (const auto& reader : readers_) reader->request_report();
    return tcpeek::test::eventually([&] {
      report_ready_.clear();
      for (const auto& reader : readers_) {
        if (!reader->report_ready()) return false;
      }
      return true;
    });
  }

  // Reports until they are as wanted; false if that never comes.
  template <class Condition>
  [[nodiscard]] bool reports_until(Condition&& condition) {
    return tcpeek::test::eventually([&] { return take_reports() && condition(); });
  }

  // A sum over all reports.
  [[nodiscard]] std::uint64_t sum(ipc::Tally tally) const {
    std::uint64_t total = 0;
    for (const auto& reader : readers_) total += reader->report().outcomes.totals[tally];
    return total;
  }
  [[nodiscard]] std::uint64_t sum(std::uint64_t ReaderReport::*member) const {
    std::uint64_t total = 0;
    for (const auto& reader : readers_) total += reader->report().*member;
    return total;
  }

  [[nodiscard]] Reader& reader(std::size_t i) { return *readers_.at(i); }
  [[nodiscard]] Mailbox& mailbox(std::size_t i) { return *mailboxes_.at(i); }
  [[nodiscard]] std::span<const std::unique_ptr<Reader>> readers() const { return readers_; }
  [[nodiscard]] std::vector<OutcomeQueue*> outcomes() const {
    std::vector<OutcomeQueue*> queues;
    for (const auto& reader : readers_) queues.push_back(&reader->outcomes());
    return queues;
  }
  [[nodiscard]] const FilterMatcher& matcher() const { return matcher_; }
  [[nodiscard]] const EventFd& report_ready() const { return report_ready_; }

 private:
  void add(const ReaderConfig& config) {
    readers_.push_back(std::make_unique<Reader>(config, std::move(sources_.at(config.id)), matcher_,
                                                *locality_of({"192.0.2.2", "2001:db8::2"}),
                                                mailboxes_, report_ready_));
  }

  FilterMatcher matcher_;
  EventFd report_ready_;
  std::latch last_sent_;
  Sources sources_;
  std::vector<std::unique_ptr<Mailbox>> mailboxes_;
  std::vector<std::unique_ptr<Reader>> readers_;
  std::size_t started_ = 0;
};

}  // namespace tcpeek::engine::test
