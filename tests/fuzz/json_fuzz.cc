// Everything that is written as JSON, with names of arbitrary bytes and any numbers: it parses, and says
// what went in. Bytes that are no UTF-8 become U+FFFD, all others stay.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc/delta.h"
#include "ipc/history_json.h"
#include "ipc/json_text.h"
#include "ipc/legacy_reply.h"
#include "ipc/outcome_event.h"
#include "ipc/packed_snapshot.h"
#include "ipc/stats_json.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/provided.h"

namespace tcpeek::fuzz {
namespace {

using namespace tcpeek::ipc;
using nlohmann::json;

// RFC 3629 section 4: what may begin a character, what may come second, and how long it is.
struct Utf8Form {
  unsigned char lead_first, lead_last, second_first, second_last;
  std::size_t length;
};
constexpr std::array<Utf8Form, 9> kUtf8Forms{{{0x00, 0x7f, 0, 0, 1},
                                              {0xc2, 0xdf, 0x80, 0xbf, 2},
                                              {0xe0, 0xe0, 0xa0, 0xbf, 3},
                                              {0xe1, 0xec, 0x80, 0xbf, 3},
                                              {0xed, 0xed, 0x80, 0x9f, 3},
                                              {0xee, 0xef, 0x80, 0xbf, 3},
                                              {0xf0, 0xf0, 0x90, 0xbf, 4},
                                              {0xf1, 0xf3, 0x80, 0xbf, 4},
                                              {0xf4, 0xf4, 0x80, 0x8f, 4}}};

bool within(char c, unsigned char first, unsigned char last) {
  return static_cast<unsigned char>(c) >= first && static_cast<unsigned char>(c) <= last;
}

bool begins_with(std::string_view text, const Utf8Form& f) {
  if (text.size() < f.length || !within(text[0], f.lead_first, f.lead_last)) return false;
  if (f.length > 1 && !within(text[1], f.second_first, f.second_last)) return false;
  for (std::size_t i = 2; i < f.length; ++i) {
    if (!within(text[i], 0x80, 0xbf)) return false;
  }
  return true;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto form = std::find_if(kUtf8Forms.begin(), kUtf8Forms.end(),
                                   [&](const Utf8Form& f) { return begins_with(text, f); });
    if (form == kUtf8Forms.end()) return false;
    text.remove_prefix(form->length);
  }
  return true;
}

std::string ascii_of(std::string text) {
  std::erase_if(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
  return text;
}

void expect_text(const json& value, const std::string& text) {
  ASSERT_TRUE(value.is_string());
  const auto& shown = value.get_ref<const std::string&>();
  if (is_utf8(text)) {
    EXPECT_EQ(shown, text);
    return;
  }
  EXPECT_TRUE(is_utf8(shown));
  EXPECT_NE(shown.find("\xef\xbf\xbd"), std::string::npos);
  EXPECT_EQ(ascii_of(shown), ascii_of(text));
}

void expect_time(const json& value, std::chrono::system_clock::time_point time) {
  ASSERT_TRUE(value.is_string());
  const auto& shown = value.get_ref<const std::string&>();
  EXPECT_EQ(shown, rfc3339_utc(time));
  constexpr std::string_view kForm = "dddd-dd-ddTdd:dd:dd.ddddddZ";
  EXPECT_TRUE(std::equal(shown.begin(), shown.end(), kForm.begin(), kForm.end(),
                         [](char c, char f) { return f == 'd' ? c >= '0' && c <= '9' : c == f; }))
      << shown;
}

std::string text(FuzzedDataProvider& input) {
  return input.ConsumeRandomLengthString(40);
}
// Where texts of numbers change: beyond what a double, a signed or 32 bits hold.
constexpr std::array<std::uint64_t, 8> kNumbers{
    0, 1, 2, 1'000'000, 0x1'0000'0000, 0x20'0000'0000'0001, 0x8000'0000'0000'0000, UINT64_MAX};

std::uint64_t number(FuzzedDataProvider& input) {
  return pick(input, kNumbers);
}
std::chrono::system_clock::time_point time(FuzzedDataProvider& input) {
  return std::chrono::system_clock::time_point(
      std::chrono::nanoseconds(input.ConsumeIntegral<std::int64_t>()));
}

Counts counts(FuzzedDataProvider& input) {
  Counts c;
  constexpr std::size_t kChoices = 64 / 3;
  std::uint64_t choices = 0;
  for (std::size_t i = 0; i < c.values.size(); ++i) {
    if (i % kChoices == 0) choices = input.ConsumeIntegral<std::uint64_t>();
    c.values[i] = kNumbers[std::exchange(choices, choices >> 3) & 7];
  }
  for (std::size_t n = input.ConsumeIntegralInRange<std::size_t>(0, 5); n > 0; --n) {
    c.latency.add(std::chrono::microseconds(input.ConsumeIntegral<std::int64_t>()));
  }
  return c;
}

FilterHealth health(FuzzedDataProvider& input) {
  FilterHealth h;
  h.is = static_cast<HealthState>(input.ConsumeIntegralInRange(0, 4));
  if (h.is != HealthState::unknown) h.since = time(input);
  h.figures.failed = number(input);
  if (input.ConsumeBool()) h.times.failing_since = time(input);
  return h;
}

Snapshot snapshot(FuzzedDataProvider& input) {
  Snapshot s;
  for (std::size_t n = input.ConsumeIntegralInRange<std::size_t>(0, 4); n > 0; --n) {
    FilterStats filter{text(input), text(input), counts(input)};
    const auto named_alike = [&](const FilterStats& f) { return f.name == filter.name; };
    if (std::none_of(s.filters.begin(), s.filters.end(), named_alike)) s.filters.push_back(filter);
  }
  s.version = text(input);
  s.started = time(input);
  s.taken = time(input);
  s.uptime = std::chrono::milliseconds(input.ConsumeIntegral<std::uint32_t>());
  for (std::size_t n = input.ConsumeIntegralInRange<std::size_t>(0, 3); n > 0; --n) {
    s.interfaces.push_back({text(input), text(input),
                            static_cast<InterfaceState>(input.ConsumeIntegralInRange(0, 3)),
                            number(input), number(input), number(input)});
  }
  s.readers.resize(input.ConsumeIntegralInRange<std::size_t>(0, 2));
  for (ReaderStats& reader : s.readers) reader.packets = number(input);
  s.totals = counts(input);
  s.packets.seen = number(input);
  s.packets.dropped = number(input);
  s.packets.ignored = {{"not_ip", number(input)}, {"truncated", number(input)}};
  for (FilterStats& filter : s.filters) {
    if (input.ConsumeBool()) filter.health = health(input);
  }
  return s;
}

void expect_time_or_none(const json& value, const SinceWhen::Time& time) {
  if (!time) {
    EXPECT_TRUE(value.is_null());
  } else {
    expect_time(value, *time);
  }
}

void check_health(const json& filter, const FilterHealth& h) {
  EXPECT_EQ(filter.at("state").at("is"), word(h.is));
  expect_time_or_none(filter.at("state").at("since"), h.since);
  EXPECT_EQ(filter.at("state").at("failed"), h.figures.failed);
  expect_time_or_none(filter.at("failing_since"), h.times.failing_since);
}

// The totals and the filters, with one interval in which all of it happened.
void check_history(const Snapshot& s) {
  HistoryReport report;
  report.time = s.taken;
  report.uptime = s.uptime;
  report.seconds = {{.end = s.taken, .span = s.uptime}};
  report.series.push_back(
      {.kind = HistoryKind::totals, .name = {}, .times = {}, .seconds = {}, .minutes = {}});
  report.series[0].seconds = {sample_of(s.totals)};
  for (const FilterStats& filter : s.filters) {
    report.series.push_back({.kind = HistoryKind::filter,
                             .name = filter.name,
                             .removed = filter.removed,
                             .times = {},
                             .seconds = {sample_of(filter.counts)},
                             .minutes = {}});
  }
  const std::string reply = history_reply(report);
  EXPECT_EQ(reply.find('\n'), std::string::npos);
  const json parsed = json::parse(reply);
  ASSERT_EQ(parsed.at("series").size(), report.series.size());
  for (std::size_t i = 0; i < report.series.size(); ++i) {
    const HistorySample& sample = report.series[i].seconds[0];
    if (i > 0) expect_text(parsed.at("series").at(i).at("name"), report.series[i].name);
    const json& row = parsed.at("seconds").at(i).at("rows").at(0);
    EXPECT_EQ(row.size(), parsed.at("columns").size());
    EXPECT_EQ(row.at(2), sample.attempts);
    EXPECT_EQ(row.at(4), sample.refused.value());
    EXPECT_EQ(row.at(15).is_null(), sample.p50 == HistorySample::kNoLatency);
  }
}

void check_stats(const Snapshot& s) {
  const std::string reply = stats_reply(s);
  EXPECT_EQ(reply.find('\n'), std::string::npos);
  const json parsed = json::parse(reply);
  expect_text(parsed.at("version"), s.version);
  expect_time(parsed.at("started"), s.started);
  expect_time(parsed.at("time"), s.taken);
  EXPECT_EQ(parsed.at("interfaces").size(), s.interfaces.size());
  for (std::size_t i = 0; i < s.interfaces.size(); ++i) {
    expect_text(parsed.at("interfaces").at(i).at("name"), s.interfaces[i].name);
    expect_text(parsed.at("interfaces").at(i).at("link_type"), s.interfaces[i].link_type);
    EXPECT_EQ(parsed.at("interfaces").at(i).at("packets"), s.interfaces[i].packets);
  }
  EXPECT_EQ(parsed.at("filters").size(), s.filters.size());
  for (std::size_t i = 0; i < s.filters.size(); ++i) {
    const json& filter = parsed.at("filters").at(i);
    const Counts& c = s.filters[i].counts;
    expect_text(filter.at("name"), s.filters[i].name);
    expect_text(filter.at("expression"), s.filters[i].expression);
    EXPECT_EQ(filter.contains("state"), s.filters[i].health.has_value());
    if (s.filters[i].health) check_health(filter, *s.filters[i].health);
    EXPECT_EQ(filter.at("attempts"), c[Tally::attempts]);
    EXPECT_EQ(filter.at("failure").at("total"), c.failures());
    const json& latency = filter.at("latency_seconds");
    EXPECT_EQ(latency.at("count"), c.latency.count());
    EXPECT_EQ(latency.at("p50").is_null(), c.latency.count() == 0);
    if (c.latency.count() != 0) EXPECT_LE(latency.at("p50"), latency.at("p999"));
    EXPECT_EQ(parsed.at("accounting").at("filters").at(i).at("holds"),
              c[Tally::attempts] == c.accounted());
  }
  EXPECT_EQ(parsed.at("readers").size(), s.readers.size());
  EXPECT_EQ(parsed.at("packets").at("seen"), s.packets.seen);
}

// The one member of an element, whatever its name: clients read by position.
const json& only_member(const json& element, const std::string& name) {
  EXPECT_EQ(element.size(), 1U);
  expect_text(json(element.begin().key()), name);
  return element.begin().value();
}

void check_get(const Snapshot& s) {
  const json parsed = json::parse(get_reply(s));
  ASSERT_EQ(parsed.size(), s.filters.size() + 1);
  for (std::size_t i = 0; i < s.filters.size(); ++i) {
    const json& filter = only_member(parsed.at(i), s.filters[i].name);
    const Counts& c = s.filters[i].counts;
    EXPECT_EQ(filter.at("success").at("total"), c[Tally::success]);
    EXPECT_EQ(filter.at("failure").at("total"), c.failures());
    EXPECT_EQ(filter.at("failure").at("unreach"), c[Tally::unreachable]);
  }
  EXPECT_EQ(parsed.back().at("pcap").at("stats").at("recv"), s.packets.seen);
}

// What each member of a REFRESH may say: what is new, or all where the counts fell.
void check_refresh(RefreshMarks& marks, const Snapshot& before, const Snapshot& s) {
  const json parsed = json::parse(marks.refresh_reply(s));
  ASSERT_EQ(parsed.size(), s.filters.size());
  for (std::size_t i = 0; i < s.filters.size(); ++i) {
    const json& filter = only_member(parsed.at(i), s.filters[i].name);
    const std::uint64_t now = s.filters[i].counts[Tally::success];
    const auto old =
        std::find_if(before.filters.begin(), before.filters.end(),
                     [&](const FilterStats& f) { return f.name == s.filters[i].name; });
    const std::uint64_t then = old == before.filters.end() ? 0 : old->counts[Tally::success];
    const std::uint64_t told = filter.at("success").at("total");
    EXPECT_TRUE(told == now || told == now - then);
    EXPECT_LE(told, now);
    EXPECT_FALSE(filter.at("failure").contains("unreach"));
  }
}

void check_event(FuzzedDataProvider& input) {
  OutcomeEvent e;
  e.first_syn = time(input);
  e.duration = std::chrono::microseconds(input.ConsumeIntegral<std::int64_t>());
  e.initiator = {text(input), input.ConsumeIntegral<std::uint16_t>()};
  e.responder = {text(input), input.ConsumeIntegral<std::uint16_t>()};
  e.result = "reject";
  e.cause = "refused";
  e.dup_syn = input.ConsumeIntegral<std::uint32_t>();
  e.interface = text(input);
  std::vector<std::string> filters;
  for (std::size_t n = input.ConsumeIntegralInRange<std::size_t>(0, 3); n > 0; --n) {
    filters.push_back(text(input));
  }
  e.filters = filters_named(filters);
  const std::string line = to_json_line(e);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const json parsed = json::parse(line);
  expect_time(parsed.at("time"), e.first_syn);
  EXPECT_GE(parsed.at("duration_seconds"), 0.0);
  expect_text(parsed.at("initiator").at("address"), e.initiator.address);
  expect_text(parsed.at("responder").at("address"), e.responder.address);
  EXPECT_EQ(parsed.at("responder").at("port"), e.responder.port);
  EXPECT_EQ(parsed.at("dup_syn"), e.dup_syn);
  expect_text(parsed.at("interface"), e.interface);
  expect_text(parsed.at("client.address"), e.initiator.address);
  expect_text(parsed.at("network.interface.name"), e.interface);
  ASSERT_EQ(parsed.at("filters").size(), filters.size());
  for (std::size_t i = 0; i < filters.size(); ++i) {
    expect_text(parsed.at("filters").at(i), filters[i]);
    EXPECT_TRUE(e.filters->has(filters[i]));
  }
}

// A difference counts what came since, or all if it began anew; a packed snapshot gives the same one.
void check_delta(const Snapshot& before, const Snapshot& now) {
  const Snapshot between = difference(now, before);
  const DeltaSpan span{.name = "n", .since = before.taken, .lasted = {}, .first = false};
  const std::string reply = delta_reply(span, between, now);
  EXPECT_EQ(reply, delta_reply(span, difference(now, PackedSnapshot(before).unpacked()), now));
  const json parsed = json::parse(reply);
  ASSERT_EQ(parsed.at("filters").size(), now.filters.size());
  for (std::size_t i = 0; i < now.filters.size(); ++i) {
    const json& filter = parsed.at("filters").at(i);
    const std::uint64_t told = filter.at("attempts");
    const std::uint64_t counted = now.filters[i].counts[Tally::attempts];
    EXPECT_LE(told, counted);
    if (filter.contains("restarted")) {
      EXPECT_EQ(told, counted);
    }
  }
}

}  // namespace

void run(FuzzedDataProvider& input) {
  const Snapshot first = snapshot(input);
  check_event(input);
  check_stats(first);
  check_history(first);
  check_get(first);
  RefreshMarks marks;
  check_refresh(marks, {}, first);
  Snapshot second = first;  // the same filters, more of everything or counted anew
  for (FilterStats& filter : second.filters) {
    for (std::uint64_t& value : filter.counts.values)
      value += input.ConsumeIntegral<std::uint8_t>();
  }
  check_refresh(marks, first, second);
  check_delta(first, second);
  expect_text(json::parse(json_quoted(second.version)), second.version);
}

}  // namespace tcpeek::fuzz
