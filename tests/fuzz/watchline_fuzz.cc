// Lines of WATCH as tcpeek-forward reads them, against a reader of the whole tree: they agree on what is a line of one of
// the forms, and on all that is taken from it. Redacting replaces what stands for addresses, each by what the key says,
// and no other value; a member appended makes an object of it all the same.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/forward/watch_line.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/provided.h"

namespace tcpeek::fuzz {
namespace {

using namespace tcpeek::forward;
using nlohmann::json;

constexpr int kMostDepth = 8;

// A tree, unless a name is there twice in one object: which of the two counts is nobody's business.
struct Tree {
  json root;
  int depth = 0;
  bool is_valid = false;
  bool has_twins = false;
};

Tree tree_of(std::string_view text) {
  Tree tree;
  std::vector<std::set<std::string>> names;
  const auto look = [&](int depth, json::parse_event_t event, json& value) {
    using Event = json::parse_event_t;
    if (event == Event::object_start) names.emplace_back();
    if (event == Event::object_start || event == Event::array_start) {
      tree.depth = std::max(tree.depth, depth + 1);
    }
    if (event == Event::object_end) names.pop_back();
    if (event == Event::key && !names.back().insert(value.get<std::string>()).second) {
      tree.has_twins = true;
    }
    return true;
  };
  // A mark of the byte order is none of JSON's.
  if (text.starts_with("\xef\xbb\xbf")) return tree;
  try {
    tree.root = json::parse(text, look);
  } catch (const json::exception&) {
    return tree;
  }
  tree.is_valid = text.back() == '}' && tree.root.is_object() && tree.depth <= kMostDepth;
  return tree;
}

std::string text_at(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}
std::optional<std::uint64_t> number_at(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<std::uint64_t>();
}
bool is_set(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}
bool has_filter(const json& root, const char* name) {
  const auto filters = root.find("filters");
  return filters != root.end() && filters->is_array() &&
         std::find(filters->begin(), filters->end(), json(name)) != filters->end();
}
bool is_boot(const std::string& text) {
  return text.size() == 16 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// What the tree says, in the order in which tcpeek-protocol(7) tells the forms apart; without places.
std::optional<WatchLine> expected_event(const json& root, WatchLine line) {
  const std::string event = text_at(root, "event");
  const std::string result = text_at(root, "result");
  const auto seq = number_at(root, "seq");
  if (seq.value_or(0) == 0 || !is_boot(line.boot)) return std::nullopt;
  line.seq = *seq;
  if (event == "change" || event == "gap") {
    line.kind = event == "gap" ? LineKind::gap : LineKind::change;
    line.word = event;
    return line;
  }
  const bool failed = result == "reject" || result == "timeout" || result == "unreach";
  if (event != "outcome" || !(failed || result == "success")) return std::nullopt;
  if (line.service_address.empty()) return std::nullopt;
  line.kind = failed ? LineKind::failure : LineKind::success;
  line.word = result;
  line.timed = !is_set(root, "half_seen") && !is_set(root, "late_proof");
  return line;
}

std::optional<WatchLine> expected(const json& root) {
  WatchLine line;
  line.boot = text_at(root, "boot");
  line.service_address = text_at(root, "server.address");
  const auto port = number_at(root, "server.port");
  if (port && *port <= 65535) line.service_port = static_cast<std::uint16_t>(*port);
  line.responder_local = has_filter(root, "RX");
  line.initiator_local = has_filter(root, "TX");
  if (root.contains("duration_seconds") && root["duration_seconds"].is_number()) {
    const double seconds = root["duration_seconds"].get<double>();
    if (!(seconds >= 0 && seconds < 1e9)) return std::nullopt;
    line.duration = std::chrono::microseconds(std::llround(seconds * 1e6));
  }
  if (!text_at(root, "event").empty()) return expected_event(root, std::move(line));
  if (root.contains("error") && root["error"].is_string()) {
    line.kind = LineKind::error;
    line.word = text_at(root, "error");
    return line;
  }
  if (const auto at = number_at(root, "at")) {
    line.kind = LineKind::position;
    line.seq = *at;
    return is_boot(line.boot) ? std::optional(line) : std::nullopt;
  }
  const json gap = root.contains("gap") && root["gap"].is_object() ? root["gap"] : json::object();
  const std::uint64_t from = number_at(gap, "from").value_or(0);
  const std::uint64_t to = number_at(gap, "to").value_or(0);
  if (from == 0 || from > to) return std::nullopt;
  line.kind = LineKind::unkept;
  line.first = from;
  line.seq = to;
  return line;
}

void expect_same(const WatchLine& line, const WatchLine& wanted) {
  EXPECT_EQ(line.kind, wanted.kind);
  EXPECT_EQ(line.boot, wanted.boot);
  EXPECT_EQ(line.seq, wanted.seq);
  EXPECT_EQ(line.first, wanted.first);
  EXPECT_EQ(line.word, wanted.word);
  EXPECT_EQ(line.service_address, wanted.service_address);
  EXPECT_EQ(line.service_port, wanted.service_port);
  EXPECT_EQ(line.responder_local, wanted.responder_local);
  EXPECT_EQ(line.initiator_local, wanted.initiator_local);
  EXPECT_EQ(line.timed, wanted.timed);
  // Two ways of reading a decimal may differ in its last bit.
  EXPECT_LE(std::chrono::abs(line.duration - wanted.duration), std::chrono::microseconds(1));
}

// Places are within the text and in its order, none within another; what stands there is all of a string.
void check_places(std::string_view text, const WatchLine& line) {
  std::size_t last = 0;
  for (const WatchLine::Place& place : line.addresses) {
    ASSERT_LE(place.begin, text.size());
    ASSERT_LT(place.size, text.size() - place.begin);
    EXPECT_GE(place.begin, last);
    last = place.begin + place.size;
    EXPECT_EQ(text[last], '"');
  }
}

// Where addresses stand by docs/schema/event.json.
std::vector<json::json_pointer> addresses_in(const json& root) {
  std::vector<json::json_pointer> found;
  for (const char* const path : {"/client.address", "/server.address", "/initiator/address",
                                 "/responder/address", "/icmp/router"}) {
    const json::json_pointer pointer(path);
    if (root.contains(pointer) && root.at(pointer).is_string()) found.push_back(pointer);
  }
  return found;
}

void check_redacted(const std::string& text, WatchLine line,
                    const engine::AddressPermutation& redactor, const json& root) {
  const WatchLine before = line;
  const auto result = redacted(text, line, redactor);
  for (const auto& pointer : addresses_in(root)) {
    // An escaped address is one that is not replaced, and so not forwarded.
    if (!redactor.address(root.at(pointer).get<std::string>())) EXPECT_FALSE(result);
  }
  if (!result) return;
  json wanted = root;
  for (const auto& pointer : addresses_in(root)) {
    wanted.at(pointer) = *redactor.address(root.at(pointer).get<std::string>());
  }
  json now = json::parse(*result);
  if (root.contains("service") && root["service"].is_string()) {
    const std::string service = now.at("service");
    EXPECT_EQ(service.substr(0, service.find(' ')),
              root["service"].get<std::string>().substr(0, service.find(' ')));
    wanted["service"] = service;
  }
  EXPECT_EQ(now, wanted);
  const auto again = parse_watch_line(*result);
  ASSERT_TRUE(again);
  WatchLine renamed = before;
  renamed.service_address = line.service_address;
  expect_same(*again, renamed);
  EXPECT_EQ(again->addresses.size(), before.addresses.size());
}

}  // namespace

void run(FuzzedDataProvider& input) {
  std::array<std::uint8_t, 16> key{};
  key[0] = input.ConsumeIntegral<std::uint8_t>();
  const engine::AddressPermutation redactor(key);
  const std::string text = input.ConsumeRemainingBytesAsString();
  const auto line = parse_watch_line(text);
  const Tree tree = text.empty() ? Tree{} : tree_of(text);
  EXPECT_TRUE(tree.is_valid || !line);
  if (!tree.is_valid || tree.has_twins) return;
  const auto wanted = expected(tree.root);
  ASSERT_EQ(line.has_value(), wanted.has_value());
  if (!line) return;
  expect_same(*line, *wanted);
  check_places(text, *line);
  const json appended = json::parse(text.substr(0, text.size() - 1) + R"(,"host":"h"})");
  EXPECT_EQ(appended.at("host"), "h");
  check_redacted(text, *line, redactor, tree.root);
}

}  // namespace tcpeek::fuzz
