// Conversations for the state machine, a line for each segment with the event it shall come to.
//
// Numbers are relative to the sender's own initial sequence number (seq) and to its peer's (ack),
// and each conversation runs with initial numbers on both sides of the wrap.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "flowtable/handshake.h"
#include "flowtable/segment.h"

namespace tcpeek::flowtable::test {

inline constexpr std::uint8_t kSynAck = tcp_flag::syn | tcp_flag::ack;
inline constexpr std::uint8_t kRstAck = tcp_flag::rst | tcp_flag::ack;
inline constexpr std::int64_t kLateProof = std::int64_t{1} << 24;
inline constexpr std::uint32_t kWindowUs = 2000;

// A segment and what it shall come to.
struct Line {
  bool up = true;
  std::uint8_t flags = 0;
  std::int64_t seq = 0;
  std::int64_t ack = 0;
  Event expected = Event::progressed;
  std::uint16_t payload = 0;
  std::uint8_t interface = 1;
  std::uint8_t print = 0;
  std::optional<std::int64_t> at_us{};  // else 10 ms after the one before
  SegmentKind kind = SegmentKind::tcp;

  [[nodiscard]] Line at(std::int64_t us) const {
    Line l = *this;
    l.at_us = us;
    return l;
  }
  [[nodiscard]] Line on(std::uint8_t index) const {
    Line l = *this;
    l.interface = index;
    return l;
  }
  // Another sending, by its TCP timestamp or IP identification.
  [[nodiscard]] Line sent_anew(std::uint8_t other_print) const {
    Line l = *this;
    l.print = other_print;
    return l;
  }
  [[nodiscard]] Line data(std::uint16_t bytes) const {
    Line l = *this;
    l.payload = bytes;
    return l;
  }
};

inline Line up(std::uint8_t flags, std::int64_t seq, std::int64_t ack, Event expected) {
  return {.up = true, .flags = flags, .seq = seq, .ack = ack, .expected = expected};
}
inline Line down(std::uint8_t flags, std::int64_t seq, std::int64_t ack, Event expected) {
  return {.up = false, .flags = flags, .seq = seq, .ack = ack, .expected = expected};
}
inline Line quoted(bool from_initiator, std::int64_t seq, Event expected) {
  return {.up = from_initiator, .seq = seq, .expected = expected, .kind = SegmentKind::unreachable};
}
inline const Line kAnswer = down(kSynAck, 0, 1, Event::progressed);
inline const Line kCrossing = down(tcp_flag::syn, 0, 0, Event::progressed);

struct Isns {
  std::uint32_t initiator;
  std::uint32_t responder;
};
inline constexpr std::array<Isns, 5> kIsns{{{1000, 5000},
                                            {0xffffffff, 0xffffffff},
                                            {0, 0xfffffffe},
                                            {0x7fffffff, 0x80000000},
                                            {0x80000000, 0x7fffffff}}};

inline Step step_of(const Line& line, const Isns& isns, std::int64_t at_us) {
  const std::uint32_t own = line.up ? isns.initiator : isns.responder;
  const std::uint32_t peers = line.up ? isns.responder : isns.initiator;
  return {.from_initiator = line.up,
          .kind = line.kind,
          .flags = line.flags,
          .interface = line.interface,
          .print = line.print,
          .payload = line.payload,
          .sequence = own + static_cast<std::uint32_t>(line.seq),
          .acknowledgment = peers + static_cast<std::uint32_t>(line.ack),
          .at_us = at_us};
}

inline Handshake begun(const Isns& isns, std::uint16_t syn_data) {
  Handshake handshake;
  begin(handshake, step_of(up(tcp_flag::syn, 0, 0, Event::progressed).data(syn_data), isns, 0));
  return handshake;
}

inline void run(const std::string& what, std::uint16_t syn_data, std::span<const Line> lines,
                std::uint32_t window_us = kWindowUs) {
  for (const Isns& isns : kIsns) {
    Handshake h = begun(isns, syn_data);
    std::int64_t at_us = 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      at_us = lines[i].at_us.value_or(at_us + 10'000);
      const Event event = step(h, step_of(lines[i], isns, at_us), window_us);
      if (event == lines[i].expected) continue;
      ADD_FAILURE() << what << ", line " << i << ": event " << static_cast<int>(event) << ", not "
                    << static_cast<int>(lines[i].expected) << ", with ISNs " << isns.initiator
                    << " and " << isns.responder;
      return;
    }
  }
}

inline void expect(const std::string& what, const std::vector<Line>& lines) {
  run(what, 0, lines);
}
// Ten bytes on the first SYN.
inline void expect_tfo(const std::string& what, const std::vector<Line>& lines) {
  run(what, 10, lines);
}

}  // namespace tcpeek::flowtable::test
