#include "engine/replay/replay_reader.h"

#include <chrono>
#include <memory>
#include <utility>

#include "engine/pipeline/flow_owner.h"

namespace tcpeek::engine {

using flowtable::Ignored;
using flowtable::Segment;

ReplayReader::ReplayReader(const ReplayConfig& config, const FilterRegistry& filters,
                           Locality locality)
    : config_(config),
      rules_(reader_rules(filters, std::move(locality))),
      outcomes_(config.print_outcomes),
      counter_(rules_, outcomes_, timeline_, TopTables::Recent::everything),
      pipeline_(config.tracker, config_.decoding, counter_) {}

void ReplayReader::take(std::span<const ring::SavedPacket> packets,
                        std::span<const ReplayInterface> interfaces) noexcept {
  for (const ring::SavedPacket& packet : packets) take(packet, interfaces[packet.interface]);
  pipeline_.track();
}

void ReplayReader::take(const ring::SavedPacket& packet,
                        const ReplayInterface& interface) noexcept {
  if (!interface.link) return ignore(Ignored::link_type);
  if (interface.filter != nullptr && !interface.filter->matches(packet.bytes, packet.wire_length)) {
    return ignore(Ignored::filtered);
  }
  const flowtable::Frame frame{
      .bytes = packet.bytes,
      .wire_length = packet.wire_length,
      .interface = interface.number,
      .time = flowtable::PacketTime(std::chrono::nanoseconds(packet.time_ns)),
  };
  const Segment* segment = pipeline_.decode(*interface.link, frame);
  if (segment == nullptr) {
    taken_ += config_.id == 0;
    return;
  }
  if (segment->kind == flowtable::SegmentKind::unreachable && !config_.icmp) {
    return ignore(Ignored::filtered);
  }
  if (!owns(*segment)) return;
  ++taken_;
  pipeline_.keep();
}

const TopReport& ReplayReader::answer(const TopQuery& query, flowtable::PacketTime now) {
  top_.ask(query);
  while (top_.work(counter_.top(), timeline_, now)) {
  }
  return top_.report();
}

bool ReplayReader::owns(const Segment& segment) const noexcept {
  return config_.readers == 1 ||
         owner_of(segment.key, config_.steering, config_.readers) == config_.id;
}

void ReplayReader::ignore(Ignored reason) noexcept {
  if (config_.id != 0) return;
  ++taken_;
  ignored_.add(reason);
}

ReaderReport ReplayReader::report() const {
  ReaderReport report;
  report.outcomes = counter_.counts();
  report.generation = counter_.generation();
  report.tracker = pipeline_.tracker().counts();
  if (config_.id == 0) {
    report.undecoded = pipeline_.undecoded();
    for (std::size_t i = 0; i < ignored_.counts.size(); ++i) {
      report.undecoded.counts[i] += ignored_.counts[i];
    }
  }
  report.delivered = taken_;
  report.pending = table().pending();
  report.remembered = table().remembered();
  report.capacity = table().capacity();
  return report;
}

}  // namespace tcpeek::engine
