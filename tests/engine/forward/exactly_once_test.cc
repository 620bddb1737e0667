// Window, converter, presence and progress against a naive broker, under everything that may happen between them: a
// connection lost with any part of what was sent stored, acknowledgements lost or in any order, messages refused,
// forwarders killed with a state that lags behind, ids that the broker no longer knows. At the end the stream has
// each event once, or tells it in a gap.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <set>

#include "engine/forward/converter.h"
#include "tests/engine/forward/forward_support.h"

namespace tcpeek::forward {
namespace {

using namespace std::chrono_literals;

const std::string kB{kBoot};

// Stores what it is given; recognises ids until it is told to forget them.
struct Broker {
  struct Stored {
    std::string id;
    std::string payload;
  };
  std::vector<Stored> stream;  // sequence = index + 1
  std::map<std::string, std::uint64_t> known;

  std::uint64_t store(const Message& message) {
    const auto [known_id, is_new] = known.emplace(message.id, stream.size() + 1);
    if (is_new) stream.push_back({message.id, message.payload});
    return known_id->second;
  }
};

struct Shape {
  std::chrono::seconds aggregate{0};
  std::uint64_t kept = 0;       // by tcpeek; 0: everything
  bool some_too_large = false;  // for the broker, though not as a gap
};

class World {
 public:
  World(unsigned seed, Shape shape) : random_(seed), shape_(shape) { start(); }

  void play(int steps) {
    for (int step = 0; step < steps; ++step) {
      const unsigned dice = roll() % 100;
      if (dice < 20)
        events_ += roll() % 8;
      else if (dice < 45)
        read();
      else if (dice < 65)
        send();
      else if (dice < 75)
        carry(roll() % 8);
      else if (dice < 88)
        take_acks();
      else if (dice < 91)
        lose_connection();
      else if (dice < 93)
        kill();
      else if (dice < 95)
        saved_ = window_->progress();
      else if (dice < 97)
        broker_.known.clear();
      else
        converter_->flush({});
    }
    settle();
  }

  // Nothing fails any more.
  void settle() {
    settling_ = true;
    for (int round = 0; round < 1000; ++round) {
      read();
      if (read_to_ > events_) converter_->flush({});
      send();
      carry(1000);
      take_acks();
      if (refused_) lose_connection();
      if (read_to_ > events_ && window_->empty()) return;
    }
    ADD_FAILURE() << "does not come to an end: " << window_->size() << " wait";
  }

  [[nodiscard]] const Broker& broker() const { return broker_; }
  [[nodiscard]] std::uint64_t events() const { return events_; }
  [[nodiscard]] std::uint64_t read() const { return read_to_; }
  [[nodiscard]] Progress progress() const { return window_->progress(); }

  static bool is_failure(std::uint64_t seq) { return seq % 5 == 3; }
  static std::string server(std::uint64_t seq) { return fmt::format("192.0.2.{}", seq * 7 % 3); }

 private:
  static constexpr std::uint64_t kTooLarge = 0;  // in the place of where it was stored

  [[nodiscard]] bool is_too_large(const Message& message) const {
    const auto id = parse_message_id("h", message.id);
    return shape_.some_too_large && id && !id->range && id->to % 7 == 2;
  }
  unsigned roll() { return static_cast<unsigned>(random_()); }
  void start() {
    ConverterConfig config;
    config.host = "h";
    config.aggregate = shape_.aggregate;
    presence_.clear();
    window_.emplace(WindowLimits{.messages = 16}, saved_);
    converter_.emplace(std::move(config), *window_, presence_, counters_);
    converter_->move_to(saved_.position, {});
    for (std::uint64_t i = saved_.stored_after; i < broker_.stream.size(); ++i) {
      const auto id = parse_message_id("h", broker_.stream[i].id);
      if (id) presence_.add(*id);
    }
    const Position begin = presence_.advanced(saved_.position, shape_.aggregate.count() == 0);
    converter_->move_to(begin, {});
    read_to_ = begin.seq + 1;
  }

  void read() {
    for (unsigned i = roll() % 8; i > 0 && read_to_ <= events_ && !window_->is_full(); --i) {
      const std::uint64_t first =
          shape_.kept != 0 && events_ > shape_.kept ? events_ - shape_.kept : 1;
      if (read_to_ < first) {
        converter_->take(fmt::format(R"({{"gap":{{"from":{},"to":{}}}}})", read_to_, first - 1),
                         {});
        read_to_ = first;
        continue;
      }
      const std::uint64_t seq = read_to_++;
      converter_->take(outcome_line(seq, is_failure(seq) ? "reject" : "success", server(seq)), {});
    }
  }
  void send() {
    if (refused_) return;
    for (unsigned i = roll() % 8; i > 0 || settling_; --i) {
      const auto sending = window_->send_next();
      if (!sending) return;
      wire_.push_back({sending->place, sending->message});
    }
  }
  void carry(std::size_t count) {
    for (; count > 0 && !wire_.empty(); --count) {
      const auto [place, message] = wire_.front();
      wire_.pop_front();
      if (!settling_ && roll() % 50 == 0) {
        refused_ = true;  // it is not stored, and what follows it is
        continue;
      }
      acks_.push_back({place, is_too_large(message) ? kTooLarge : broker_.store(message)});
    }
  }
  void take_acks() {
    std::ranges::shuffle(acks_, random_);
    for (unsigned i = roll() % 8; (i > 0 || settling_) && !acks_.empty(); --i) {
      const auto [place, stored_at] = acks_.back();
      acks_.pop_back();
      if (stored_at != kTooLarge) {
        window_->acknowledge(place, stored_at);
      } else if (const Message* const message = window_->waiting(place)) {
        if (auto gap = converter_->gap_instead(*message)) window_->replace(place, std::move(*gap));
      }
    }
    if (refused_ && roll() % 3 == 0) lose_connection();
  }
  // Part of what is on the wire arrives, no acknowledgement does; then the stream is read back.
  void lose_connection() {
    carry(settling_ ? 1000 : roll() % (wire_.size() + 1));
    wire_.clear();
    acks_.clear();
    refused_ = false;
    if (roll() % 2 == 0) broker_.known.clear();
    const std::uint64_t after = window_->stored_after();
    window_->rewind();
    for (std::uint64_t i = after; i < broker_.stream.size(); ++i) {
      window_->acknowledge(broker_.stream[i].id, i + 1);
    }
  }
  void kill() {
    carry(roll() % (wire_.size() + 1));
    wire_.clear();
    acks_.clear();
    refused_ = false;
    if (roll() % 2 == 0) broker_.known.clear();
    start();
  }

  std::minstd_rand random_;
  const Shape shape_;
  Broker broker_;
  std::uint64_t events_ = 0;
  Progress saved_{{kB, 0}, 0};  // it began to watch before the first
  Presence presence_;
  Counters counters_;
  std::optional<Window> window_;
  std::optional<Converter> converter_;
  std::uint64_t read_to_ = 1;  // the next that tcpeek tells
  std::deque<std::pair<std::uint64_t, Message>> wire_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> acks_;
  bool refused_ = false;
  bool settling_ = false;
};

void check_singles(const World& world) {
  std::map<std::uint64_t, int> times;
  for (const Broker::Stored& stored : world.broker().stream) {
    const auto id = parse_message_id("h", stored.id);
    ASSERT_TRUE(id) << stored.id;
    for (std::uint64_t seq = id->from; seq <= id->to; ++seq) ++times[seq];
  }
  for (std::uint64_t seq = 1; seq <= world.events(); ++seq) EXPECT_EQ(times[seq], 1) << seq;
  EXPECT_EQ(times.size(), world.events());
  EXPECT_EQ(world.progress().position.seq, world.events());
}

// Every success is counted in one aggregate, every failure in one and sent once.
void check_aggregates(const World& world) {
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> counted;
  std::map<std::uint64_t, int> failures;
  std::set<std::string> ids;
  for (const Broker::Stored& stored : world.broker().stream) {
    EXPECT_TRUE(ids.insert(stored.id).second) << stored.id;
    const auto json = nlohmann::json::parse(stored.payload);
    if (json["event"] == "aggregate") {
      auto& [attempts, success] = counted[json["server.address"]];
      attempts += json["attempts"].get<std::uint64_t>();
      success += json["success"].get<std::uint64_t>();
    } else {
      ++failures[json["seq"]];
    }
  }
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> expected;
  std::map<std::uint64_t, int> expected_failures;
  for (std::uint64_t seq = 1; seq <= world.events(); ++seq) {
    auto& [attempts, success] = expected[World::server(seq)];
    ++attempts;
    World::is_failure(seq) ? static_cast<std::uint64_t>(expected_failures[seq] = 1) : ++success;
  }
  EXPECT_EQ(counted, expected);
  EXPECT_EQ(failures, expected_failures);
  EXPECT_EQ(world.progress().position.seq, world.events());
}

unsigned rounds() {
  const char* const percent = std::getenv("TCPEEK_SEEDS_PERCENT");
  return percent == nullptr ? 100U : std::max(1U, static_cast<unsigned>(std::atoi(percent)));
}

std::vector<unsigned> seeds() {
  if (const char* const seed = std::getenv("TCPEEK_SEED")) {
    return {static_cast<unsigned>(std::strtoul(seed, nullptr, 10))};
  }
  std::vector<unsigned> drawn(rounds());
  std::random_device device;
  std::ranges::generate(drawn, [&] { return device(); });
  return drawn;
}

void play(Shape shape, void (*check)(const World&)) {
  for (const unsigned seed : seeds()) {
    World world(seed, shape);
    world.play(600);
    check(world);
    ASSERT_FALSE(::testing::Test::HasFailure()) << "TCPEEK_SEED=" << seed;
  }
}

TEST(ExactlyOnceTest, EverythingKept) {
  play({}, check_singles);
}
TEST(ExactlyOnceTest, GapsWhereTooLittleIsKept) {
  play({.kept = 20}, check_singles);
}
TEST(ExactlyOnceTest, GapsInPlaceOfWhatIsTooLarge) {
  play({.some_too_large = true}, check_singles);
}
TEST(ExactlyOnceTest, Aggregates) {
  play({.aggregate = 10s}, check_aggregates);
}

}  // namespace
}  // namespace tcpeek::forward
