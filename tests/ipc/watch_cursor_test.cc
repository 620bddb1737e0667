// The log of events and those who read it, against a model that forgets nothing: whatever a watcher asked
// for comes once, in order, or in a gap that says so.
#include "ipc/watch_cursor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "ipc/event_lines.h"
#include "tests/support/seeds.h"

namespace tcpeek::ipc {
namespace {

using nlohmann::json;

Event event(const EventLog& log, EventKind kind, const std::string& filter) {
  return {.kind = kind,
          .filters = filter.empty() ? nullptr : filters_named({"RX", filter}),
          .line = R"({"seq":)" + std::to_string(log.stamp().seq) + "}"};
}

void add(EventLog& log, int count, EventKind kind = EventKind::success,
         const std::string& filter = "web") {
  for (int i = 0; i < count; ++i) log.add(event(log, kind, filter));
}

std::vector<json> told(WatchCursor& cursor) {
  std::vector<json> lines;
  for (;;) {
    std::string piece;
    cursor.fill(piece);
    if (piece.empty()) return lines;
    EXPECT_EQ(piece.back(), '\n');
    std::istringstream stream(piece);
    for (std::string line; std::getline(stream, line);) lines.push_back(json::parse(line));
  }
}

// "a5": told how far, at 5; "7": event 7; "g2-4": a gap.
std::string in_short(const std::vector<json>& lines) {
  std::string text;
  for (const json& line : lines) {
    if (!text.empty()) text += ' ';
    if (line.contains("gap")) {
      text += "g" + line["gap"]["from"].dump() + "-" + line["gap"]["to"].dump();
    } else {
      text += line.contains("at") ? "a" + line["at"].dump() : line["seq"].dump();
    }
  }
  return text;
}

std::string in_short(WatchCursor& cursor) {
  return in_short(told(cursor));
}

WatchRequest from(std::uint64_t seq) {
  WatchRequest request;
  request.from = seq;
  return request;
}

TEST(EventLogTest, NumbersHaveNoHolesWhetherKeptOrNot) {
  EventLog log("b");
  EXPECT_EQ(log.stamp().seq, 1U);
  EXPECT_EQ(log.stamp().boot, "b");
  add(log, 2);
  log.skip();
  EXPECT_EQ(log.next(), 4U);
  EXPECT_EQ(log.first(), 4U) << "none is kept";
  log.keep(true);
  add(log, 2);
  EXPECT_EQ(log.first(), 4U);
  EXPECT_EQ(log.next(), 6U);
  EXPECT_EQ(log.at(5).line, R"({"seq":5})");
  log.keep(false);
  EXPECT_EQ(log.first(), 6U);
  EXPECT_EQ(log.bytes(), 0U);
}

TEST(EventLogTest, TheOldestGoFirst) {
  EventLog by_number("b", {.events = 3, .bytes = 1000});
  by_number.keep(true);
  add(by_number, 5);
  EXPECT_EQ(by_number.first(), 3U);
  EventLog by_bytes("b", {.events = 1000, .bytes = 25});
  by_bytes.keep(true);
  add(by_bytes, 5);  // of 9 bytes each
  EXPECT_EQ(by_bytes.first(), 4U);
  EXPECT_EQ(by_bytes.bytes(), 18U);
  by_bytes.add({.kind = EventKind::gap, .filters = nullptr, .line = std::string(26, 'x')});
  EXPECT_EQ(by_bytes.first(), by_bytes.next()) << "one that is larger than all of it";
  EXPECT_EQ(by_bytes.bytes(), 0U);
}

TEST(WatchCursorTest, BeginsWithWhatComes) {
  EventLog log("0123");
  log.keep(true);
  add(log, 3);
  WatchCursor cursor(log, {});
  const auto first = told(cursor);
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].dump(), R"({"at":3,"boot":"0123"})");
  add(log, 2);
  EXPECT_EQ(in_short(cursor), "4 5");
  EXPECT_EQ(in_short(cursor), "");
  cursor.tell_how_far();
  EXPECT_EQ(in_short(cursor), "") << "who is told everything knows how far it is";
}

TEST(WatchCursorTest, ResumesFromWhatIsKept) {
  EventLog log("b", {.events = 4, .bytes = 1000});
  add(log, 2);
  log.keep(true);
  add(log, 6);
  WatchCursor inside(log, from(6));
  EXPECT_EQ(in_short(inside), "a5 6 7 8");
  WatchCursor older(log, from(2));
  EXPECT_EQ(in_short(older), "a1 g2-4 5 6 7 8");
  WatchCursor all(log, from(0));
  EXPECT_EQ(in_short(all), "a0 g1-4 5 6 7 8");
  WatchCursor next(log, from(9));
  EXPECT_EQ(in_short(next), "a8");
  WatchCursor of_another_boot(log, from(1000));
  EXPECT_EQ(in_short(of_another_boot), "a0 g1-4 5 6 7 8");
  WatchCursor largest(log, from(~std::uint64_t{0}));
  EXPECT_EQ(in_short(largest), "a0 g1-4 5 6 7 8");
}

TEST(WatchCursorTest, NothingKeptIsOneGap) {
  EventLog log("b");
  add(log, 5);
  log.keep(true);
  WatchCursor cursor(log, from(2));
  EXPECT_EQ(in_short(cursor), "a1 g2-5");
}

TEST(WatchCursorTest, WhatItWasTooSlowForIsOneGapInPlace) {
  EventLog log("b", {.events = 3, .bytes = 1000});
  log.keep(true);
  WatchCursor cursor(log, {});
  add(log, 1);
  EXPECT_EQ(in_short(cursor), "a0 1");
  add(log, 10);
  EXPECT_EQ(in_short(cursor), "g2-8 9 10 11");
}

TEST(WatchCursorTest, OnlyWhatItAskedForAndHowFarItIs) {
  EventLog log("b");
  log.keep(true);
  WatchRequest request;
  request.filter = "web";
  request.kinds = EventKinds(EventKind::refused, EventKind::change);
  WatchCursor cursor(log, request);
  EXPECT_EQ(in_short(cursor), "a0");
  log.add(event(log, EventKind::refused, "web"));  // 1
  log.add(event(log, EventKind::success, "web"));
  log.add(event(log, EventKind::refused, "db"));
  log.add(event(log, EventKind::change, "db"));
  log.add(event(log, EventKind::change, "web"));  // 5
  log.add(event(log, EventKind::gap, ""));        // 6, which everybody is told
  log.add(event(log, EventKind::undecided, "web"));
  EXPECT_EQ(in_short(cursor), "1 5 6");
  cursor.tell_how_far();
  EXPECT_EQ(in_short(cursor), "a7");
  EXPECT_EQ(in_short(cursor), "");
}

TEST(WatchCursorTest, PiecesAreBoundedAndWhole) {
  EventLog log("b");
  log.keep(true);
  WatchCursor cursor(log, {});
  for (int i = 0; i < 3000; ++i) {
    log.add({.kind = EventKind::success, .filters = nullptr, .line = std::string(100, 'x')});
  }
  std::size_t lines = 0;
  for (std::string piece;; piece.clear()) {
    cursor.fill(piece);
    if (piece.empty()) break;
    ASSERT_LE(piece.size(), WatchCursor::kPieceBytes + 101);
    ASSERT_EQ(piece.back(), '\n');
    lines += static_cast<std::size_t>(std::ranges::count(piece, '\n'));
  }
  EXPECT_EQ(lines, 3001U);
}

// One watcher, and what it must have been told by now.
class Reader {
 public:
  Reader(const EventLog& log, WatchRequest request)
      : request_(request), cursor_(log, request), expected_(first_of(request, log)) {}

  // Takes a piece or none; everything since the last number is told, skipped by its own wish, or in a gap.
  void take(const EventLog& log, const std::vector<Event>& history) {
    std::string piece;
    cursor_.fill(piece);
    std::istringstream stream(piece);
    for (std::string text; std::getline(stream, text);) {
      const json line = json::parse(text);
      if (line.contains("at")) {
        skip_to(line["at"].get<std::uint64_t>() + 1, history);
      } else if (line.contains("gap")) {
        skip_to(line["gap"]["from"].get<std::uint64_t>(), history);
        ASSERT_EQ(line["gap"]["to"].get<std::uint64_t>() + 1, log.first())
            << "the next one was there to be told";
        expected_ = line["gap"]["to"].get<std::uint64_t>() + 1;
      } else {
        const auto seq = line["seq"].get<std::uint64_t>();
        skip_to(seq, history);
        ASSERT_TRUE(wanted(history[seq]));
        expected_ = seq + 1;
      }
    }
    ASSERT_LE(expected_, log.next());
  }

  [[nodiscard]] std::uint64_t expected() const { return expected_; }
  void ask_how_far() { cursor_.tell_how_far(); }

 private:
  static std::uint64_t first_of(const WatchRequest& request, const EventLog& log) {
    if (!request.from) return log.next();
    if (*request.from > log.next()) return 1;
    return std::max<std::uint64_t>(*request.from, 1);
  }
  [[nodiscard]] bool wanted(const Event& event) const {
    if (event.kind == EventKind::gap) return true;
    return request_.kinds.has(event.kind) &&
           (!request_.filter || event.filters == nullptr || event.filters->has(*request_.filter));
  }
  void skip_to(std::uint64_t seq, const std::vector<Event>& history) {
    ASSERT_GE(seq, expected_) << "told twice";
    for (; expected_ < seq; ++expected_) {
      ASSERT_FALSE(wanted(history[expected_])) << "missed " << expected_;
    }
  }

  WatchRequest request_;
  WatchCursor cursor_;
  std::uint64_t expected_;
};

// What happens at random to one log and up to 16 watchers of it.
class Play {
 public:
  explicit Play(std::uint64_t seed) : random_(seed) {}

  void step() {
    switch (below(8)) {
      case 0:
        if (below(10) == 0) log_.keep(!log_.keeping());
        return;
      case 1:
        if (readers_.size() < 16) come(random_request());
        return;
      case 2:
        if (!readers_.empty() && below(4) == 0) come_back();
        return;
      case 3:
      case 4:
        if (!readers_.empty()) read();
        return;
      default:
        for (std::uint64_t n = below(8); n > 0; --n) happen();
    }
  }

  void check() const {
    ASSERT_EQ(history_.size(), log_.next());
    for (std::uint64_t seq = log_.first(); seq < log_.next(); ++seq) {
      ASSERT_EQ(log_.at(seq).line, history_[seq].line);
    }
  }

 private:
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  void come(const WatchRequest& request) {
    readers_.push_back(std::make_unique<Reader>(log_, request));
  }
  // Leaves, and wants everything since.
  void come_back() {
    auto& reader = readers_[below(readers_.size())];
    reader = std::make_unique<Reader>(log_, from(reader->expected()));
  }
  void read() {
    Reader& reader = *readers_[below(readers_.size())];
    if (below(2) == 0) reader.ask_how_far();
    reader.take(log_, history_);
  }
  void happen() {
    const char* filter = below(3) == 0 ? "" : (below(2) == 0 ? "web" : "db");
    history_.push_back(event(log_, static_cast<EventKind>(below(kEventKinds)), filter));
    log_.add(history_.back());
  }
  WatchRequest random_request() {
    WatchRequest request;
    if (below(2) == 0) request.filter = below(2) == 0 ? "web" : "db";
    if (below(2) == 0) {
      request.kinds = EventKinds();
      for (const NamedKinds& named : kNamedKinds) {
        if (below(4) == 0) request.kinds |= named.kinds;
      }
    }
    if (below(2) == 0) request.from = below(log_.next() + 3);
    return request;
  }

  std::mt19937_64 random_;
  EventLog log_{"b", {.events = 1 + below(50), .bytes = 20 + below(2000)}};
  std::vector<Event> history_{Event{}};  // by number; 0 is none
  std::vector<std::unique_ptr<Reader>> readers_;
};

TEST(WatchCursorTest, RandomEventsAndWatchersAgainstAModel) {
  tcpeek::test::for_each_seed(40, [](std::uint64_t seed) {
    Play play(seed);
    for (int step = 0; step < 2000 && !testing::Test::HasFailure(); ++step) {
      play.step();
      play.check();
    }
  });
}

}  // namespace
}  // namespace tcpeek::ipc
