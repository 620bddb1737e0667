// Random exchanges of filters while attempts begin and end, against a naive model that knows each attempt
// and the filters it began under. What GET, REFRESH, the history and each snapshot say must agree with it
// after every exchange.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "engine/filters/filter_changes.h"
#include "engine/serve/history.h"
#include "ipc/legacy_reply.h"
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
using Texts = std::vector<std::string>;

constexpr std::uint16_t kFirstPort = 80;
constexpr unsigned kPorts = 4;

// What a filter counted, by its name, since it came or began anew.
struct Counted {
  std::string text;
  std::uint64_t attempts = 0;
  std::uint64_t success = 0;
  std::uint64_t told = 0;     // successes by the last REFRESH
  std::uint64_t sampled = 0;  // attempts in the history, of all filters of that name
};

// The filters that an attempt began under: the model's objects outlive their removal.
using Under = std::vector<std::shared_ptr<Counted>>;

class ReloadModel : public testing::Test {
 protected:
  void start(std::uint64_t seed) {
    random_.seed(seed);
    readers_.emplace(2U);
    sender_.emplace(readers_->mailbox(0).add_sender());
    for (const char* text : {"RX:RX@%:%", "TX:TX@%:%"}) install(text);
    readers_->start();
  }

  void install(const std::string& text) {
    auto counted = std::make_shared<Counted>();
    counted->text = text;
    in_force_[text.substr(0, text.find(':'))] = counted;
  }

  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  void exchange() {
    Texts texts;
    for (int i = 0; i < 6; ++i) {
      if (below(3) == 0) continue;
      texts.push_back("f" + std::to_string(i) +
                      ":RX@%:" + std::to_string(kFirstPort + below(kPorts)));
    }
    std::ranges::shuffle(texts, random_);
    const FilterChanges changes = changes_of_filters(running_, parse_filters(texts));
    readers_->filters().exchange(changes.next);
    running_ = changes.next;
    readers_->readers().go_by(readers_->filters(), test::locality_of({"192.0.2.2"}));
    for (const std::string& name : changes.removed) in_force_.erase(name);
    for (const FilterExpression& filter : running_) {
      const auto known = in_force_.find(filter.name);
      if (known == in_force_.end() || known->second->text != filter.text) install(filter.text);
    }
    // Those that stay keep their order.
    Texts stayed;
    for (const std::string& name : order_) {
      if (in_force_.contains(name)) stayed.push_back(name);
    }
    order_.clear();
    for (const FilterExpression& filter : running_) order_.push_back(filter.name);
    ASSERT_TRUE(std::equal(stayed.begin(), stayed.end(), order_.begin())) << "places in GET";
  }

  void mail(const Packet& packet) {
    flowtable::Segment segment = packet.segment();
    segment.time = PacketTime(read_clocks().wall);
    ASSERT_TRUE(
        tcpeek::test::eventually([&] { return readers_->mailbox(0).send(*sender_, segment); }));
  }

  void begin_attempt() {
    const auto port = static_cast<std::uint16_t>(kFirstPort + below(kPorts));
    const Ends ends{v4(1, ++client_port_), v4(2, port)};
    mail(ends.syn(10));
    Under under;
    for (const auto& [name, counted] : in_force_) {
      const bool all = name == "RX";
      if (!all && !counted->text.ends_with("@%:" + std::to_string(port))) continue;
      ++counted->attempts;
      under.push_back(counted);
    }
    pending_.emplace_back(ends, under);
    ++attempts_;
  }

  void succeed_one() {
    if (pending_.empty()) return;
    const auto chosen = pending_.begin() + static_cast<std::ptrdiff_t>(below(pending_.size()));
    mail(chosen->first.synack(20, 11));
    mail(chosen->first.ack(11, 21));
    for (const auto& counted : chosen->second) ++counted->success;
    pending_.erase(chosen);
    ++successes_;
  }

  // All that was mailed is counted, under the latest rules from here on.
  void catch_up() {
    ASSERT_TRUE(readers_->reports_until([this] {
      readers_->readers().collect_rules();
      return readers_->sum(Tally::attempts) == attempts_ &&
             readers_->sum(Tally::success) == successes_ &&
             std::ranges::all_of(readers_->readers().views(), [this](const ReaderView& view) {
               return view.report->generation == readers_->filters().generation();
             });
    }));
  }

  ipc::Snapshot snapshot() {
    SnapshotFrame frame;
    frame.uptime = uptime_;
    const auto views = readers_->readers().views();
    return build_snapshot(std::move(frame), readers_->filters(), views);
  }

  void check(const ipc::Snapshot& s) {
    EXPECT_EQ(s.totals[Tally::attempts], s.totals.accounted());
    std::size_t place = 0;
    for (const ipc::FilterStats& filter : s.filters) {
      EXPECT_EQ(filter.counts[Tally::attempts], filter.counts.accounted()) << filter.name;
      if (filter.removed) continue;
      ASSERT_LT(place, order_.size());
      EXPECT_EQ(filter.name, order_[place++]);
      const Counted& counted = *in_force_.at(filter.name);
      EXPECT_EQ(filter.expression, counted.text);
      EXPECT_EQ(filter.counts[Tally::attempts], counted.attempts) << filter.name;
      EXPECT_EQ(filter.counts[Tally::success], counted.success) << filter.name;
    }
    EXPECT_EQ(place, order_.size());
  }

  void check_refresh(const ipc::Snapshot& s) {
    const auto reply = nlohmann::json::parse(marks_.refresh_reply(s));
    ASSERT_EQ(reply.size(), order_.size());
    for (std::size_t i = 0; i < order_.size(); ++i) {
      Counted& counted = *in_force_.at(order_[i]);
      EXPECT_EQ(reply[i].at(order_[i]).at("success").at("total"), counted.success - counted.told);
      counted.told = counted.success;
    }
  }

  // Each name's samples add up to all that filters of that name had counted when they were sampled.
  void check_history(const ipc::Snapshot& s) {
    history_.on_second(s);
    for (const auto& [name, counted] : in_force_) {
      sampled_[name] += counted->attempts - counted->sampled;
      counted->sampled = counted->attempts;
    }
    for (const ipc::HistorySeries& series : history_.report(s, std::nullopt).series) {
      if ((series.kind == ipc::HistoryKind::totals)) continue;
      std::uint64_t sum = 0;
      for (const ipc::HistorySample& sample : series.seconds) sum += sample.attempts;
      EXPECT_EQ(sum, sampled_[series.name]) << series.name;
    }
  }

  void TearDown() override {
    if (readers_) readers_->stop();
  }

  std::mt19937_64 random_;
  std::optional<ReadersRig> readers_;
  std::optional<Mailbox::Sender> sender_;
  std::vector<FilterExpression> running_ = parse_filters({});
  Texts order_{"RX", "TX"};
  std::map<std::string, std::shared_ptr<Counted>> in_force_;
  std::vector<std::pair<Ends, Under>> pending_;
  std::map<std::string, std::uint64_t> sampled_;
  ipc::RefreshMarks marks_;
  History history_;
  std::chrono::milliseconds uptime_{0};
  std::uint16_t client_port_ = 1000;
  std::uint64_t attempts_ = 0;
  std::uint64_t successes_ = 0;
};

TEST_F(ReloadModel, WhateverTheOrderOfReloadsAndAttempts) {
  tcpeek::test::for_each_seed(1, [this](std::uint64_t seed) {
    start(seed);
    for (int round = 0; round < 60 && !HasFatalFailure(); ++round) {
      for (std::uint64_t i = below(3); i > 0; --i) exchange();
      catch_up();
      for (std::uint64_t i = below(8); i > 0; --i) begin_attempt();
      for (std::uint64_t i = below(8); i > 0; --i) succeed_one();
      catch_up();
      uptime_ += std::chrono::seconds(1);
      const ipc::Snapshot s = snapshot();
      check(s);
      if (below(2) == 0) check_refresh(s);
      check_history(s);
      readers_->readers().settle(readers_->filters());
    }
    while (!pending_.empty()) succeed_one();
    catch_up();
    for (int round = 0; round < 2; ++round) readers_->readers().settle(readers_->filters());
    const ipc::Snapshot s = snapshot();
    check(s);
    EXPECT_EQ(s.filters.size(), order_.size()) << "what was removed has ended";
  });
}

// Before all readers have the new rules.
TEST_F(ReloadModel, EverySnapshotAddsUp) {
  tcpeek::test::for_each_seed(1, [this](std::uint64_t seed) {
    start(seed);
    for (int round = 0; round < 200; ++round) {
      begin_attempt();
      exchange();
      if (below(2) == 0) succeed_one();
      ASSERT_TRUE(readers_->take_reports());
      for (const ipc::FilterStats& filter : snapshot().filters) {
        ASSERT_EQ(filter.counts[Tally::attempts], filter.counts.accounted()) << filter.name;
      }
      readers_->readers().settle(readers_->filters());
    }
  });
}

}  // namespace
}  // namespace tcpeek::engine
